package dashboard

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/rand"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"time"
)

// sessionCookie holds the sealed session.
const sessionCookie = "nubo_session"

// session is who is signed in, and for what.
type session struct {
	// Unscoped is the token the password bought; others are bought with it.
	Unscoped string `json:"u"`
	// Token is that of the scope chosen; "" if the user may act nowhere.
	Token   string    `json:"t"`
	Expires time.Time `json:"e"`
}

// errNoSession says that nobody is signed in, or not any more.
var errNoSession = errors.New("nobody is signed in")

// sealer turns sessions into cookies and back.
type sealer struct{ aead cipher.AEAD }

// cookieText is strict: one session has one text.
var cookieText = base64.RawURLEncoding.Strict()

// newSealer makes a sealer with a key of 32 bytes.
func newSealer(key []byte) (*sealer, error) {
	block, err := aes.NewCipher(key)
	if err != nil {
		return nil, fmt.Errorf("dashboard's key: %w", err)
	}
	aead, err := cipher.NewGCM(block)
	if err != nil {
		return nil, fmt.Errorf("dashboard's key: %w", err)
	}
	return &sealer{aead}, nil
}

func (s *sealer) seal(v session) (string, error) {
	plain, err := json.Marshal(v)
	if err != nil {
		return "", fmt.Errorf("encode session: %w", err)
	}
	nonce := make([]byte, s.aead.NonceSize())
	rand.Read(nonce) // never fails: crypto/rand aborts the program instead
	return cookieText.EncodeToString(s.aead.Seal(nonce, nonce, plain, []byte(sessionCookie))), nil
}

// open reads a cookie's value; whatever is wrong with it, nobody is signed in.
func (s *sealer) open(value string) (session, error) {
	var v session
	raw, err := cookieText.DecodeString(value)
	if err != nil || len(raw) < s.aead.NonceSize() {
		return v, errNoSession
	}
	n := s.aead.NonceSize()
	plain, err := s.aead.Open(nil, raw[:n], raw[n:], []byte(sessionCookie))
	if err != nil || json.Unmarshal(plain, &v) != nil {
		return session{}, errNoSession
	}
	return v, nil
}

// sessionOf is the session a request comes with.
func (s *Service) sessionOf(r *http.Request) (session, error) {
	c, err := r.Cookie(sessionCookie)
	if err != nil {
		return session{}, errNoSession
	}
	v, err := s.sealer.open(c.Value)
	if err == nil && !s.clock.Now().Before(v.Expires) {
		return session{}, errNoSession
	}
	return v, err
}

// remember gives the browser a session.
func (s *Service) remember(w http.ResponseWriter, r *http.Request, v session) error {
	value, err := s.sealer.seal(v)
	if err != nil {
		return err
	}
	c := cookie(r, value)
	c.Expires = v.Expires
	http.SetCookie(w, c)
	return nil
}

// forget takes a session from the browser.
func forget(w http.ResponseWriter, r *http.Request) {
	c := cookie(r, "")
	c.MaxAge = -1
	http.SetCookie(w, c)
}

func cookie(r *http.Request, value string) *http.Cookie {
	return &http.Cookie{
		Name: sessionCookie, Value: value, Path: "/", HttpOnly: true, SameSite: http.SameSiteStrictMode, Secure: r.TLS != nil,
	}
}
