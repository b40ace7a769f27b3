package identity

import (
	"context"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha1" //nolint:gosec // RFC 6238 and the signatures of old EC2 and S3 clients are defined with it
	"crypto/sha256"
	"encoding/base32"
	"encoding/base64"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"net/url"
	"slices"
	"strings"
	"time"

	"nubo/identity/fernet"
	"nubo/internal/clock"
	"nubo/internal/fault"
)

// Credential is a secret that a user keeps here: an EC2 key, a TOTP seed, a
// certificate. It is stored sealed.
type Credential struct {
	ID         string
	UserID     string
	ProjectID  string
	Type       string
	Blob       string `bun:"-"`
	SealedBlob string
	Extra      map[string]any
}

// Types of credentials that identity itself understands.
const (
	TypeEC2  = "ec2"
	TypeTOTP = "totp"
)

// EC2Blob is the content of a credential of type ec2. One that was made with a
// delegated token says so: it is for no more than that.
type EC2Blob struct {
	Access        string `json:"access"`
	Secret        string `json:"secret"`
	TrustID       string `json:"trust_id,omitempty"`
	AppCredID     string `json:"app_cred_id,omitempty"`
	AccessTokenID string `json:"access_token_id,omitempty"`
}

// origin is what the key may do no more than.
func (b *EC2Blob) origin() [3]string { return [3]string{b.TrustID, b.AppCredID, b.AccessTokenID} }

// sealCredential seals the blob with the newest key.
func (s *Identity) sealCredential(c *Credential) {
	c.SealedBlob = fernet.Seal(s.credKeys.Keys()[0], []byte(c.Blob), s.clock.Now())
}

// unsealed opens what sealCredential sealed.
func (s *Identity) unsealed(c *Credential, err error) (*Credential, error) {
	if err != nil || c == nil {
		return c, err
	}
	b, _, err := fernet.OpenLong(s.credKeys.Keys(), c.SealedBlob)
	if err != nil {
		return nil, fmt.Errorf("open credential %s: %w", c.ID, err)
	}
	c.Blob = string(b)
	return c, nil
}

// CreateCredential keeps a credential that a token's holder makes. One of type
// ec2 is found by its access key afterwards.
func (s *Identity) CreateCredential(ctx context.Context, by *Token, c *Credential) error {
	c.ID = clock.NewHexID()
	if c.Type == TypeEC2 {
		if err := by.unrestricted("credentials"); err != nil {
			return err
		}
	}
	if err := by.MayHold(c.ProjectID); err != nil {
		return err
	}
	if c.Type == TypeEC2 {
		if err := c.becomeKey(by); err != nil {
			return err
		}
	}
	s.sealCredential(c)
	return s.change(ctx, func(ctx context.Context) error {
		if err := s.checkOwner(ctx, c); err != nil {
			return err
		}
		return s.store.Credentials().Create(ctx, c)
	})
}

// becomeKey makes of a new credential the EC2 key that its blob describes, with
// what the token that makes it was got by.
func (c *Credential) becomeKey(by *Token) error {
	var all map[string]any
	var blob EC2Blob
	if json.Unmarshal([]byte(c.Blob), &all) != nil || json.Unmarshal([]byte(c.Blob), &blob) != nil || blob.Access == "" {
		return fault.Invalidf("Invalid blob in credential")
	}
	if c.ProjectID == "" {
		return fault.Invalidf("Invalid input for field 'project_id': it is required for credentials of type ec2.")
	}
	for key, id := range map[string]string{"trust_id": by.TrustID, "app_cred_id": by.AppCredID, "access_token_id": by.AccessTokenID} {
		delete(all, key)
		if id != "" {
			all[key] = id
		}
	}
	text, err := json.Marshal(all)
	c.ID, c.Blob = ec2ID(blob.Access), string(text)
	return err
}

// checkOwner answers NotFound unless the user and the project of a
// credential exist.
func (s *Identity) checkOwner(ctx context.Context, c *Credential) error {
	_, err := s.store.Users().Get(ctx, c.UserID)
	if err == nil && c.ProjectID != "" {
		_, err = s.store.Projects().Get(ctx, c.ProjectID)
	}
	return err
}

// ec2ID is the id of the credential with an access key.
func ec2ID(access string) string {
	sum := sha256.Sum256([]byte(access))
	return hex.EncodeToString(sum[:])
}

// Credential gives a credential, opened.
func (s *Identity) Credential(ctx context.Context, id string) (*Credential, error) {
	return s.unsealed(s.store.Credentials().Get(ctx, id))
}

// Unseal opens the credentials of a list.
func (s *Identity) Unseal(list []Credential) error {
	for i := range list {
		if _, err := s.unsealed(&list[i], nil); err != nil {
			return err
		}
	}
	return nil
}

// UpdateCredential changes a credential in the name of a token. What ties an
// EC2 key to a delegation stays as it is.
func (s *Identity) UpdateCredential(ctx context.Context, by *Token, id string, apply func(*Credential)) (*Credential, error) {
	var c *Credential
	err := s.change(ctx, func(ctx context.Context) (err error) {
		if c, err = s.Credential(ctx, id); err != nil {
			return err
		}
		before, beforeType := c.Blob, c.Type
		apply(c)
		if err := by.MayHold(c.ProjectID); err != nil {
			return err
		}
		if err := s.checkOwner(ctx, c); err != nil {
			return err
		}
		if beforeType == TypeEC2 {
			var old, new EC2Blob
			if json.Unmarshal([]byte(c.Blob), &new) != nil {
				return fault.Invalidf("Invalid blob in credential")
			}
			if json.Unmarshal([]byte(before), &old) == nil && (old.origin() != new.origin() || ec2ID(new.Access) != c.ID) {
				return fault.Invalidf("You cannot update access, trust_id, app_cred_id or access_token_id of an ec2 credential.")
			}
		}
		s.sealCredential(c)
		return s.store.Credentials().Update(ctx, c)
	})
	return c, err
}

// DeleteCredential forgets a credential.
func (s *Identity) DeleteCredential(ctx context.Context, id string) error {
	return s.change(ctx, func(ctx context.Context) error { return s.store.Credentials().Delete(ctx, id) })
}

// CreateEC2 makes an EC2 key for a user on a project.
func (s *Identity) CreateEC2(ctx context.Context, by *Token, userID, projectID string) (*Credential, error) {
	blob, err := json.Marshal(EC2Blob{Access: clock.NewHexID(), Secret: clock.NewHexID()})
	if err != nil {
		return nil, err
	}
	c := &Credential{UserID: userID, ProjectID: projectID, Type: TypeEC2, Blob: string(blob)}
	return c, s.CreateCredential(ctx, by, c)
}

// EC2 gives a user's EC2 key by its access key.
func (s *Identity) EC2(ctx context.Context, userID, access string) (*Credential, error) {
	c, err := s.Credential(ctx, ec2ID(access))
	if fault.Is(err, fault.NotFound) || err == nil && (c.UserID != userID || c.Type != TypeEC2) {
		return nil, fault.NotFoundf("Could not find credential: %s.", access)
	}
	return c, err
}

// EC2Request is a signed request of an EC2 or S3 client, as the service that
// received it hands it on.
type EC2Request struct {
	Access    string
	Signature string
	Host      string
	Verb      string
	Path      string
	Params    map[string]string
	Headers   map[string]string
	BodyHash  string
	// Token is what S3 clients sign, in base64.
	Token string
}

// SignInEC2 checks a request's signature and gives a token of the key's
// owner on the key's project.
func (s *Identity) SignInEC2(ctx context.Context, r EC2Request, s3 bool) (*Token, error) {
	c, err := s.Credential(ctx, ec2ID(r.Access))
	if fault.Is(err, fault.NotFound) {
		return nil, errUnauthorized
	}
	if err != nil {
		return nil, err
	}
	var blob EC2Blob
	if c.Type != TypeEC2 || json.Unmarshal([]byte(c.Blob), &blob) != nil {
		return nil, errUnauthorized
	}
	ok := false
	if s3 {
		ok = s3Signed(r, blob.Secret)
	} else {
		ok = ec2Signed(r, blob.Secret, s.clock.Now())
	}
	if !ok {
		return nil, fault.New(fault.Unauthorized, "EC2 signature not supplied or invalid.")
	}
	u, err := s.activeUser(ctx, c.UserID)
	if err != nil {
		return nil, err
	}
	p := Payload{
		UserID: u.ID, Epoch: u.TokenEpoch, Methods: []string{"ec2credential"}, Scope: Scope{ProjectID: c.ProjectID},
		TrustID: blob.TrustID, AppCredID: blob.AppCredID, AccessTokenID: blob.AccessTokenID,
		ExpiresAt: s.clock.Now().Add(s.cfg.TokenExpiration), AuditIDs: []string{newAuditID()},
	}
	if p.TrustID != "" { // whose key it is, is whom a token of the trust names
		t, err := s.Trust(ctx, p.TrustID)
		if fault.Is(err, fault.NotFound) || err == nil && u.ID != t.names() {
			err = errUnauthorized
		}
		if err != nil {
			return nil, err
		}
	}
	return s.issue(ctx, p)
}

func sign(hash string, secret []byte, text string) []byte {
	mac := hmac.New(sha256.New, secret)
	if hash == "HmacSHA1" {
		mac = hmac.New(sha1.New, secret)
	}
	mac.Write([]byte(text))
	return mac.Sum(nil)
}

// s3Signed checks the signature of an S3 request: version 4 where what is
// signed begins with the algorithm's name, else version 1.
func s3Signed(r EC2Request, secret string) bool {
	raw, err := base64.URLEncoding.DecodeString(r.Token)
	if err != nil {
		if raw, err = base64.StdEncoding.DecodeString(r.Token); err != nil {
			return false
		}
	}
	text := string(raw)
	if !strings.HasPrefix(text, "AWS4-HMAC-SHA256") {
		return hmac.Equal([]byte(base64.StdEncoding.EncodeToString(sign("HmacSHA1", []byte(secret), text))), []byte(r.Signature))
	}
	lines := strings.Split(text, "\n")
	if len(lines) < 4 {
		return false
	}
	return hmac.Equal([]byte(hex.EncodeToString(sign("", v4Key(secret, lines[2]), text))), []byte(r.Signature))
}

// v4Key derives the signing key of a version 4 signature from its scope,
// "date/region/service/aws4_request".
func v4Key(secret, scope string) []byte {
	key := []byte("AWS4" + secret)
	for _, part := range strings.Split(scope, "/") {
		key = sign("", key, part)
	}
	return key
}

// ec2MaxAge bounds how old a signed request may be.
const ec2MaxAge = 15 * time.Minute

func ec2Signed(r EC2Request, secret string, now time.Time) bool {
	if fresh(r, now) != nil {
		return false
	}
	given := []byte(r.Signature)
	// Some clients sign the port, others do not.
	hosts := []string{r.Host}
	if host, _, ok := strings.Cut(r.Host, ":"); ok {
		hosts = append(hosts, host)
	}
	for _, host := range hosts {
		r.Host = host
		for _, want := range []string{ec2v01(r, secret), ec2v2(r, secret), ec2v4(r, secret)} {
			if want != "" && hmac.Equal([]byte(want), given) {
				return true
			}
		}
	}
	return false
}

var errStale = errors.New("the signed time is too far from now")

// fresh refuses requests that were signed long ago: somebody may have kept
// them.
func fresh(r EC2Request, now time.Time) error {
	stamp, layout := r.Params["Timestamp"], time.RFC3339
	if stamp == "" {
		stamp, layout = header(r, "X-Amz-Date"), "20060102T150405Z"
	}
	if stamp == "" {
		stamp = r.Params["X-Amz-Date"]
	}
	if stamp == "" {
		return nil
	}
	at, err := time.Parse(layout, stamp)
	if err != nil || now.Sub(at).Abs() > ec2MaxAge {
		return errStale
	}
	return nil
}

func header(r EC2Request, name string) string {
	for k, v := range r.Headers {
		if strings.EqualFold(k, name) {
			return v
		}
	}
	return ""
}

// ec2v01 signs what versions 0 and 1 of EC2's signatures cover.
func ec2v01(r EC2Request, secret string) string {
	text := ""
	switch r.Params["SignatureVersion"] {
	case "0":
		text = r.Params["Action"] + r.Params["Timestamp"]
	case "1":
		keys := sortedKeys(r.Params)
		slices.SortFunc(keys, func(a, b string) int { return strings.Compare(strings.ToLower(a), strings.ToLower(b)) })
		for _, k := range keys {
			text += k + r.Params[k]
		}
	default:
		return ""
	}
	return base64.StdEncoding.EncodeToString(sign("HmacSHA1", []byte(secret), text))
}

func ec2v2(r EC2Request, secret string) string {
	if r.Params["SignatureVersion"] != "2" {
		return ""
	}
	text := r.Verb + "\n" + strings.ToLower(r.Host) + "\n" + r.Path + "\n" + canonicalQuery(r.Params)
	return base64.StdEncoding.EncodeToString(sign(r.Params["SignatureMethod"], []byte(secret), text))
}

func ec2v4(r EC2Request, secret string) string {
	var scope, signedHeaders, stamp string
	query := map[string]string{}
	if authz := header(r, "Authorization"); strings.HasPrefix(authz, "AWS4-HMAC-SHA256") {
		for _, part := range strings.Split(strings.TrimPrefix(authz, "AWS4-HMAC-SHA256"), ",") {
			k, v, _ := strings.Cut(strings.TrimSpace(part), "=")
			switch k {
			case "Credential":
				_, scope, _ = strings.Cut(v, "/")
			case "SignedHeaders":
				signedHeaders = v
			}
		}
		stamp = header(r, "X-Amz-Date")
		for k, v := range r.Params {
			query[k] = v
		}
	} else if r.Params["X-Amz-Algorithm"] == "AWS4-HMAC-SHA256" {
		_, scope, _ = strings.Cut(r.Params["X-Amz-Credential"], "/")
		signedHeaders, stamp = r.Params["X-Amz-SignedHeaders"], r.Params["X-Amz-Date"]
		for k, v := range r.Params {
			if k != "X-Amz-Signature" {
				query[k] = v
			}
		}
	} else {
		return ""
	}
	canonical := ""
	for _, h := range strings.Split(signedHeaders, ";") {
		v := header(r, h)
		if strings.EqualFold(h, "host") {
			v = r.Host
		}
		canonical += strings.ToLower(h) + ":" + strings.TrimSpace(v) + "\n"
	}
	if r.Verb == "POST" && header(r, "Authorization") != "" {
		query = nil
	}
	request := strings.Join([]string{r.Verb, r.Path, canonicalQuery(query), canonical, signedHeaders, r.BodyHash}, "\n")
	sum := sha256.Sum256([]byte(request))
	text := strings.Join([]string{"AWS4-HMAC-SHA256", stamp, scope, hex.EncodeToString(sum[:])}, "\n")
	return hex.EncodeToString(sign("", v4Key(secret, scope), text))
}

func canonicalQuery(params map[string]string) string {
	escape := func(s string) string {
		return strings.NewReplacer("+", "%20", "%7E", "~", "*", "%2A").Replace(url.QueryEscape(s))
	}
	parts := []string{}
	for _, k := range sortedKeys(params) {
		if k != "Signature" {
			parts = append(parts, escape(k)+"="+escape(params[k]))
		}
	}
	return strings.Join(parts, "&")
}

// totpStep is how long one passcode lasts.
const totpStep = 30

// checkTOTP reports whether one of the user's seeds makes the passcode now,
// or in the step before.
func (s *Identity) checkTOTP(ctx context.Context, userID, passcode string) (bool, error) {
	list, err := s.store.Credentials().List(ctx, everything, filters(equal("user_id", userID), equal("type", TypeTOTP)))
	if err != nil {
		return false, err
	}
	if err := s.Unseal(list); err != nil {
		return false, err
	}
	found := false
	for _, c := range list {
		seed, err := base32.StdEncoding.WithPadding(base32.NoPadding).DecodeString(strings.TrimRight(strings.ToUpper(strings.TrimSpace(c.Blob)), "="))
		if err != nil {
			continue // not a seed: it makes no passcode
		}
		step := s.clock.Now().Unix() / totpStep
		for _, at := range []int64{step, step - 1} {
			if hmac.Equal([]byte(TOTP(seed, at)), []byte(passcode)) {
				found = true
			}
		}
	}
	return found, nil
}

// TOTP is the passcode of a step (RFC 6238 with RFC 4226's six digits).
func TOTP(seed []byte, step int64) string {
	mac := hmac.New(sha1.New, seed)
	binary.Write(mac, binary.BigEndian, step) //nolint:errcheck // a hash takes everything
	sum := mac.Sum(nil)
	at := sum[len(sum)-1] & 0xf
	return fmt.Sprintf("%06d", (binary.BigEndian.Uint32(sum[at:])&0x7fffffff)%1000000)
}

func sortedKeys(m map[string]string) []string {
	keys := make([]string, 0, len(m))
	for k := range m {
		keys = append(keys, k)
	}
	slices.Sort(keys)
	return keys
}

func newAuditID() string {
	b := make([]byte, 16)
	rand.Read(b) // never fails: crypto/rand aborts the program instead
	return base64.RawURLEncoding.EncodeToString(b)
}
