// Package user knows who may use the broker, and what for.
package user

import (
	"cmp"
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"errors"
	"fmt"
	"maps"
	"slices"
	"sync"

	"nubo/broker/store"
)

// The errors of a Registry.
var (
	ErrExists  = errors.New("user already exists")
	ErrUnknown = errors.New("no such user")
	ErrRefused = errors.New("wrong user name or password")
	ErrHash    = errors.New("not a salted SHA-256 in base64")
	ErrLimit   = errors.New("unrecognised user limit")
)

// The limits of a user. A negative one is none.
const (
	MaxConnections = "max-connections"
	MaxChannels    = "max-channels"
)

// Info describes a user.
type Info struct {
	Name string
	Tags []string
	// PasswordHash is the base64 of a 4 byte salt and SHA-256 of salt and
	// password: rabbit_password_hashing_sha256. A user without one cannot
	// log in.
	PasswordHash string
	Limits       map[string]int64
}

type entry struct {
	info   Info
	perms  map[string]Permissions                 // by virtual host
	topics map[string]map[string]TopicPermissions // by virtual host and exchange
}

// Registry holds the users.
type Registry struct {
	defs  store.Definitions
	onMod func()

	mu    sync.RWMutex
	users map[string]*entry // guarded by mu
	// open counts connections and channels, by user; guarded by mu.
	open map[string]*usage
}

type usage struct{ connections, channels int64 }

// NewRegistry makes an empty registry, which records what it is told in defs.
// changed is called after permissions were changed, so that what was allowed
// before is looked at again.
func NewRegistry(defs store.Definitions, changed func()) *Registry {
	return &Registry{defs: defs, users: make(map[string]*entry), open: make(map[string]*usage), onMod: changed}
}

func newEntry(i Info) *entry {
	return &entry{info: i, perms: make(map[string]Permissions), topics: make(map[string]map[string]TopicPermissions)}
}

// Add adds a user.
func (r *Registry) Add(name, password string, tags ...string) error {
	return r.add(Info{Name: name, Tags: slices.Clone(tags), PasswordHash: Hash(password)})
}

// Import adds a user with a password hash, or changes the one there is.
func (r *Registry) Import(i Info) error {
	if i.PasswordHash != "" && !wellFormed(i.PasswordHash) {
		return fmt.Errorf("import user %q: %w", i.Name, ErrHash)
	}
	err := r.edit("import", i.Name, func(u *entry) { u.info.Tags, u.info.PasswordHash = slices.Clone(i.Tags), i.PasswordHash })
	if errors.Is(err, ErrUnknown) {
		return r.add(i)
	}
	return err
}

func (r *Registry) add(i Info) error {
	r.mu.Lock()
	if r.users[i.Name] != nil {
		r.mu.Unlock()
		return fmt.Errorf("add user %q: %w", i.Name, ErrExists)
	}
	u := newEntry(i)
	r.users[i.Name] = u
	r.define(u)
	r.mu.Unlock()
	return r.defs.Sync()
}

// SetPassword changes a password. Connections that are open stay so.
func (r *Registry) SetPassword(name, password string) error {
	hash := ""
	if password != "" {
		hash = Hash(password)
	}
	return r.edit("set password of", name, func(u *entry) { u.info.PasswordHash = hash })
}

// SetTags replaces a user's tags.
func (r *Registry) SetTags(name string, tags ...string) error {
	return r.edit("set tags of", name, func(u *entry) { u.info.Tags = slices.Clone(tags) })
}

// Delete removes a user with all permissions.
func (r *Registry) Delete(name string) error {
	defer r.onMod()
	return r.change("delete", name, func(u *entry) {
		for vhost := range u.perms {
			r.defs.Undefine(store.Key(keyPermissions, name, vhost))
		}
		for vhost, list := range u.topics {
			for exchange := range list {
				r.defs.Undefine(store.Key(keyTopicPermissions, name, vhost, exchange))
			}
		}
		r.defs.Undefine(store.Key(keyUser, name))
		delete(r.users, name)
	})
}

// edit changes what is in the user's own definition.
func (r *Registry) edit(what, name string, f func(*entry)) error {
	return r.change(what, name, func(u *entry) {
		f(u)
		r.define(u)
	})
}

// change applies f to a user and waits until that is durable.
func (r *Registry) change(what, name string, f func(*entry)) error {
	r.mu.Lock()
	u := r.users[name]
	if u == nil {
		r.mu.Unlock()
		return fmt.Errorf("%s user %q: %w", what, name, ErrUnknown)
	}
	f(u)
	r.mu.Unlock()
	return r.defs.Sync()
}

// Authenticate checks a password.
func (r *Registry) Authenticate(name, password string) error {
	r.mu.RLock()
	u := r.users[name]
	hash := ""
	if u != nil {
		hash = u.info.PasswordHash
	}
	r.mu.RUnlock()
	if !verify(hash, password) {
		return ErrRefused
	}
	return nil
}

// List describes all users, by name.
func (r *Registry) List() []Info {
	r.mu.RLock()
	defer r.mu.RUnlock()
	list := make([]Info, 0, len(r.users))
	for _, u := range r.users {
		i := u.info
		i.Limits = maps.Clone(i.Limits)
		list = append(list, i)
	}
	slices.SortFunc(list, func(a, b Info) int { return cmp.Compare(a.Name, b.Name) })
	return list
}

// Get describes one user.
func (r *Registry) Get(name string) (Info, bool) {
	r.mu.RLock()
	defer r.mu.RUnlock()
	u := r.users[name]
	if u == nil {
		return Info{}, false
	}
	i := u.info
	i.Limits = maps.Clone(i.Limits)
	return i, true
}

const saltSize = 4

// Hash salts and hashes a password as RabbitMQ does.
func Hash(password string) string {
	salt := make([]byte, saltSize)
	rand.Read(salt)
	return base64.StdEncoding.EncodeToString(digest(salt, password))
}

func digest(salt []byte, password string) []byte {
	sum := sha256.Sum256(append(slices.Clone(salt), password...))
	return append(slices.Clone(salt), sum[:]...)
}

func wellFormed(hash string) bool {
	raw, err := base64.StdEncoding.DecodeString(hash)
	return err == nil && len(raw) == saltSize+sha256.Size
}

// verify compares a password with a hash, in the same time for any of both.
func verify(hash, password string) bool {
	raw, err := base64.StdEncoding.DecodeString(hash)
	if err != nil || len(raw) != saltSize+sha256.Size {
		raw = make([]byte, saltSize+sha256.Size) // of no password: SHA-256 is never zero
	}
	return subtle.ConstantTimeCompare(raw, digest(raw[:saltSize], password)) == 1
}
