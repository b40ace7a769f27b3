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
	"regexp"
	"slices"
	"sync"
)

// The errors of a Registry.
var (
	ErrExists  = errors.New("user already exists")
	ErrUnknown = errors.New("no such user")
	ErrRefused = errors.New("wrong user name or password")
)

// Access is one of the three things a permission is about.
type Access int

// The kinds of access.
const (
	Configure Access = iota
	Write
	Read
)

// Permissions are what a user may do in one virtual host: a regular expression
// for the names of queues and exchanges, by kind of access.
type Permissions [3]*regexp.Regexp

// ParsePermissions compiles the three patterns. As in RabbitMQ an empty one
// matches only the empty name.
func ParsePermissions(configure, write, read string) (Permissions, error) {
	var p Permissions
	for i, s := range []string{configure, write, read} {
		if s == "" {
			s = "^$"
		}
		re, err := regexp.Compile(s)
		if err != nil {
			return p, fmt.Errorf("permission %q: %w", s, err)
		}
		p[i] = re
	}
	return p, nil
}

// Allow tells whether the permissions allow access to a resource.
func (p *Permissions) Allow(a Access, name string) bool {
	return p[a] != nil && p[a].MatchString(name)
}

// Info describes a user.
type Info struct {
	Name string
	Tags []string
	// PasswordHash is the base64 of a 4 byte salt and SHA-256 of salt and
	// password: rabbit_password_hashing_sha256.
	PasswordHash string
}

type entry struct {
	info  Info
	perms map[string]Permissions // by virtual host
}

// Registry holds the users.
type Registry struct {
	mu    sync.RWMutex
	users map[string]*entry // guarded by mu
	onMod func()
}

// NewRegistry makes an empty registry. changed is called after permissions
// were changed, so that what was allowed before is looked at again.
func NewRegistry(changed func()) *Registry {
	return &Registry{users: make(map[string]*entry), onMod: changed}
}

// Add adds a user.
func (r *Registry) Add(name, password string, tags ...string) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.users[name] != nil {
		return fmt.Errorf("add user %q: %w", name, ErrExists)
	}
	r.users[name] = &entry{
		info:  Info{Name: name, Tags: slices.Clone(tags), PasswordHash: Hash(password)},
		perms: make(map[string]Permissions),
	}
	return nil
}

// SetPassword changes a password. Connections that are open stay so.
func (r *Registry) SetPassword(name, password string) error {
	return r.edit("set password of", name, func(u *entry) { u.info.PasswordHash = Hash(password) })
}

// SetTags replaces a user's tags.
func (r *Registry) SetTags(name string, tags ...string) error {
	return r.edit("set tags of", name, func(u *entry) { u.info.Tags = slices.Clone(tags) })
}

// SetPermissions sets what a user may do in a virtual host.
func (r *Registry) SetPermissions(name, vhost string, p Permissions) error {
	defer r.onMod()
	return r.edit("set permissions of", name, func(u *entry) { u.perms[vhost] = p })
}

// Delete removes a user.
func (r *Registry) Delete(name string) error {
	defer r.onMod()
	return r.edit("delete", name, func(*entry) { delete(r.users, name) })
}

func (r *Registry) edit(what, name string, f func(*entry)) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	u := r.users[name]
	if u == nil {
		return fmt.Errorf("%s user %q: %w", what, name, ErrUnknown)
	}
	f(u)
	return nil
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

// Permissions returns what a user may do in a virtual host; ok is false if it
// may not even enter.
func (r *Registry) Permissions(name, vhost string) (p Permissions, ok bool) {
	r.mu.RLock()
	defer r.mu.RUnlock()
	if u := r.users[name]; u != nil {
		p, ok = u.perms[vhost]
	}
	return p, ok
}

// List describes all users, by name.
func (r *Registry) List() []Info {
	r.mu.RLock()
	defer r.mu.RUnlock()
	list := make([]Info, 0, len(r.users))
	for _, u := range r.users {
		list = append(list, u.info)
	}
	slices.SortFunc(list, func(a, b Info) int { return cmp.Compare(a.Name, b.Name) })
	return list
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

// verify compares a password with a hash, in the same time for any of both.
func verify(hash, password string) bool {
	raw, err := base64.StdEncoding.DecodeString(hash)
	if err != nil || len(raw) != saltSize+sha256.Size {
		raw = make([]byte, saltSize+sha256.Size) // of no password: SHA-256 is never zero
	}
	return subtle.ConstantTimeCompare(raw, digest(raw[:saltSize], password)) == 1
}
