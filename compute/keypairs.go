package compute

import (
	"context"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"strings"
	"time"

	"golang.org/x/crypto/ssh"

	"nubo/internal/auth"
	"nubo/internal/db"
	"nubo/internal/fault"
)

// KeyPair is a user's public key. The private one is made for him, told once
// and never kept.
type KeyPair struct {
	ID          int64
	Name        string
	UserID      string
	Type        string // "ssh"
	PublicKey   string
	Fingerprint string
	CreatedAt   time.Time

	PrivateKey string // only in the answer that made it
}

// KeyPair gives a user's key pair.
func (s *Service) KeyPair(ctx context.Context, userID, name string) (*KeyPair, error) {
	return s.store.KeyPair(ctx, userID, name)
}

// KeyPairs lists a user's.
func (s *Service) KeyPairs(ctx context.Context, userID string, page db.Page) ([]*KeyPair, error) {
	return s.store.KeyPairs(ctx, userID, page)
}

// DeleteKeyPair removes one; servers keep the public key they were given.
func (s *Service) DeleteKeyPair(ctx context.Context, userID, name string) error {
	return s.store.DeleteKeyPair(ctx, userID, name)
}

// ImportKeyPair keeps a user's own public key.
func (s *Service) ImportKeyPair(ctx context.Context, userID, name, publicKey string) (*KeyPair, error) {
	key, _, _, _, err := ssh.ParseAuthorizedKey([]byte(publicKey))
	if err != nil {
		return nil, fault.Invalidf("Keypair data is invalid: failed to generate fingerprint")
	}
	return s.keepKey(ctx, &KeyPair{Name: name, UserID: userID, Type: "ssh", PublicKey: publicKey, Fingerprint: ssh.FingerprintLegacyMD5(key)})
}

// GenerateKeyPair makes a pair for a user: RSA, as clients of old
// microversions expect it. The private key is in the answer only.
func (s *Service) GenerateKeyPair(ctx context.Context, userID, name string) (*KeyPair, error) {
	private, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		return nil, fmt.Errorf("generate a key: %w", err)
	}
	public, err := ssh.NewPublicKey(&private.PublicKey)
	if err != nil {
		return nil, fmt.Errorf("encode a public key: %w", err)
	}
	line := strings.TrimSpace(string(ssh.MarshalAuthorizedKey(public))) + " Generated-by-Nova"
	k, err := s.keepKey(ctx, &KeyPair{Name: name, UserID: userID, Type: "ssh", PublicKey: line, Fingerprint: ssh.FingerprintLegacyMD5(public)})
	if err != nil {
		return nil, err
	}
	k.PrivateKey = string(pem.EncodeToMemory(&pem.Block{Type: "RSA PRIVATE KEY", Bytes: x509.MarshalPKCS1PrivateKey(private)}))
	return k, nil
}

func (s *Service) keepKey(ctx context.Context, k *KeyPair) (*KeyPair, error) {
	limits, err := s.quotas.Limits(ctx, auth.From(ctx).ProjectID)
	if err != nil {
		return nil, err
	}
	k.CreatedAt = db.Micro(s.clock.Now())
	return k, s.store.CreateKeyPair(ctx, k, int(limits["key_pairs"]))
}
