// Package fernet seals and opens Fernet tokens, as the Fernet specification
// (version 0x80) defines them and Keystone uses them: AES-128-CBC, signed with
// HMAC-SHA256, base64 for URLs, the padding stripped.
package fernet

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"errors"
	"strings"
	"time"
)

const (
	version   = 0x80
	headerLen = 1 + 8 + aes.BlockSize // version, time, initialisation vector
	// maxLen bounds what is looked at: tokens of Keystone's kind have under
	// 300 characters.
	maxLen = 4096
)

// ErrInvalid says that a token was sealed by none of the keys, or not at all.
var ErrInvalid = errors.New("fernet: invalid token")

// Key is a pair of keys: half signs, half encrypts.
type Key [32]byte

// NewKey makes a random key.
func NewKey() Key {
	var k Key
	rand.Read(k[:]) // never fails: crypto/rand aborts the program instead
	return k
}

// ParseKey reads a key as Keystone's key repository holds it.
func ParseKey(s string) (Key, error) {
	b, err := base64.URLEncoding.DecodeString(strings.TrimSpace(s))
	if err != nil || len(b) != len(Key{}) {
		return Key{}, errors.New("fernet: a key is 32 bytes in URL-safe base64")
	}
	return Key(b), nil
}

// String gives the key as the repository holds it.
func (k Key) String() string { return base64.URLEncoding.EncodeToString(k[:]) }

// Seal makes a token of payload, issued at the time.
func Seal(k Key, payload []byte, issued time.Time) string {
	pad := aes.BlockSize - len(payload)%aes.BlockSize
	buf := make([]byte, headerLen+len(payload)+pad, headerLen+len(payload)+pad+sha256.Size)
	buf[0] = version
	binary.BigEndian.PutUint64(buf[1:], uint64(issued.Unix()))
	rand.Read(buf[9:headerLen])
	copy(buf[headerLen:], payload)
	for i := headerLen + len(payload); i < len(buf); i++ {
		buf[i] = byte(pad)
	}
	block, _ := aes.NewCipher(k[16:]) // the key's length is right
	cipher.NewCBCEncrypter(block, buf[9:headerLen]).CryptBlocks(buf[headerLen:], buf[headerLen:])
	mac := hmac.New(sha256.New, k[:16])
	mac.Write(buf)
	return base64.RawURLEncoding.EncodeToString(mac.Sum(buf))
}

// Open gives a token's payload and its time of issue, if one of the keys
// sealed it.
func Open(keys []Key, token string) ([]byte, time.Time, error) {
	if len(token) > maxLen {
		return nil, time.Time{}, ErrInvalid
	}
	return OpenLong(keys, token)
}

// OpenLong is Open for what was sealed to be stored: it may be of any length.
func OpenLong(keys []Key, token string) ([]byte, time.Time, error) {
	raw, err := base64.RawURLEncoding.DecodeString(strings.TrimRight(token, "="))
	if err != nil || len(raw) < headerLen+aes.BlockSize+sha256.Size || raw[0] != version {
		return nil, time.Time{}, ErrInvalid
	}
	signed, sum := raw[:len(raw)-sha256.Size], raw[len(raw)-sha256.Size:]
	for _, k := range keys {
		mac := hmac.New(sha256.New, k[:16])
		mac.Write(signed)
		if !hmac.Equal(mac.Sum(nil), sum) {
			continue
		}
		payload, err := open(k, signed)
		if err != nil {
			return nil, time.Time{}, err
		}
		return payload, time.Unix(int64(binary.BigEndian.Uint64(signed[1:9])), 0).UTC(), nil
	}
	return nil, time.Time{}, ErrInvalid
}

func open(k Key, signed []byte) ([]byte, error) {
	text := signed[headerLen:]
	if len(text)%aes.BlockSize != 0 {
		return nil, ErrInvalid
	}
	block, _ := aes.NewCipher(k[16:])
	plain := make([]byte, len(text))
	cipher.NewCBCDecrypter(block, signed[9:headerLen]).CryptBlocks(plain, text)
	pad := int(plain[len(plain)-1])
	if pad < 1 || pad > aes.BlockSize {
		return nil, ErrInvalid
	}
	for _, b := range plain[len(plain)-pad:] {
		if int(b) != pad {
			return nil, ErrInvalid
		}
	}
	return plain[:len(plain)-pad], nil
}
