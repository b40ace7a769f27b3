package app

import (
	"crypto/rand"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
)

// secrets are what the components of one cloud share. They are made on the
// first start and kept in DATA/secrets.json; a node gets them as a file.
type secrets struct {
	AdminPassword string            `json:"admin_password"`
	ServiceUsers  map[string]string `json:"service_users"`
	Messaging     string            `json:"messaging_password"` // of the embedded broker's user nubo
	Metadata      string            `json:"metadata_secret"`
	Dashboard     string            `json:"dashboard_secret"` // seals its sessions
}

// serviceUsers are the components' own users, named as OpenStack names them.
var serviceUsers = []string{"nova", "neutron", "glance", "placement", "cinder"}

const messagingUser = "nubo"

func randomSecret() string {
	b := make([]byte, 24)
	rand.Read(b) // never fails: crypto/rand aborts the program instead
	return base64.RawURLEncoding.EncodeToString(b)
}

func readSecrets(path string) (*secrets, error) {
	b, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	var s secrets
	if err := json.Unmarshal(b, &s); err != nil {
		return nil, fmt.Errorf("%s is damaged: %w", path, err)
	}
	return &s, nil
}

// ensureSecrets reads the cloud's secrets, or makes those that are missing.
// changed reports that the admin's password was given anew from outside.
func ensureSecrets(path, adminPassword string) (s *secrets, changed bool, err error) {
	s, err = readSecrets(path)
	if errors.Is(err, fs.ErrNotExist) {
		s, err = &secrets{}, nil
	}
	if err != nil {
		return nil, false, err
	}
	fill := func(v *string) {
		if *v == "" {
			*v = randomSecret()
		}
	}
	if adminPassword != "" && adminPassword != s.AdminPassword {
		s.AdminPassword, changed = adminPassword, true
	}
	fill(&s.AdminPassword)
	fill(&s.Messaging)
	fill(&s.Metadata)
	fill(&s.Dashboard)
	if s.ServiceUsers == nil {
		s.ServiceUsers = map[string]string{}
	}
	for _, name := range serviceUsers {
		if s.ServiceUsers[name] == "" {
			s.ServiceUsers[name] = randomSecret()
		}
	}
	return s, changed, s.write(path)
}

func (s *secrets) write(path string) error {
	b, err := json.MarshalIndent(s, "", "  ")
	if err != nil {
		return err
	}
	return writePrivate(path, append(b, '\n'))
}

// writePrivate replaces a file that only its owner may read, at once.
func writePrivate(path string, content []byte) error {
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return err
	}
	f, err := os.CreateTemp(filepath.Dir(path), "."+filepath.Base(path)+"-") // made with mode 0600
	if err != nil {
		return err
	}
	defer os.Remove(f.Name()) //nolint:errcheck // gone after the rename
	if _, err := f.Write(content); err != nil {
		f.Close() //nolint:errcheck // the write's error says more
		return err
	}
	if err := errors.Join(f.Sync(), f.Close()); err != nil {
		return err
	}
	return os.Rename(f.Name(), path)
}
