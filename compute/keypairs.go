package compute

import "time"

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
