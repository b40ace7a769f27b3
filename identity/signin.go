package identity

import (
	"context"
	"slices"
	"time"

	"github.com/vmihailenco/msgpack/v5"

	"nubo/identity/fernet"
	"nubo/internal/fault"
)

// Credentials are what a request to sign in brings.
type Credentials struct {
	Methods []string
	// of method password
	User     UserRef
	Password string
	// of method totp
	TOTPUser UserRef
	Passcode string
	// of method token
	TokenID string
	// of method application_credential: by id, or by name and user
	AppCredID, AppCredName string
	AppCredUser            UserRef
	AppCredSecret          string
	// of method oauth1
	OAuth *OAuthRequest
	// Receipt tells what a sign-in before this one has shown already.
	Receipt string
	// the scope that is wanted; by id, or by name and domain
	Unscoped                     bool
	System                       bool
	ProjectID, ProjectName       string
	ProjectDomainID, ProjectDomN string
	DomainID, DomainName         string
	TrustID                      string
}

// scoped reports whether the request names a scope.
func (c *Credentials) scoped() bool {
	return c.Unscoped || c.System || c.ProjectID+c.ProjectName+c.DomainID+c.DomainName+c.TrustID != ""
}

// errUnauthorized is Keystone's only answer to a failed sign-in: it does not
// tell what was wrong.
var errUnauthorized = fault.New(fault.Unauthorized, "The request you have made requires authentication.")

// Receipt says how far a sign-in with several factors has come.
type Receipt struct {
	ID        string
	User      User
	Domain    *Project
	Methods   []string
	Required  [][]string
	IssuedAt  time.Time
	ExpiresAt time.Time
}

// MoreFactors is the answer to a sign-in that needs further methods.
type MoreFactors struct{ Receipt Receipt }

// Error tells that more is needed.
func (*MoreFactors) Error() string { return "additional authentications steps required" }

// receiptLife is how long a receipt counts.
const receiptLife = 5 * time.Minute

// SignIn checks the credentials and issues a token.
func (s *Identity) SignIn(ctx context.Context, c Credentials) (*Token, error) {
	p := Payload{Methods: slices.Clone(c.Methods), ExpiresAt: s.clock.Now().Add(s.cfg.TokenExpiration), AuditIDs: []string{newAuditID()}}
	user, err := s.authenticate(ctx, c, &p)
	if err != nil {
		return nil, err
	}
	if err := s.enoughFactors(ctx, c, user, p.Methods); err != nil {
		return nil, err
	}
	p.UserID, p.Epoch = user.ID, user.TokenEpoch
	if err := s.scopeOf(ctx, c, user, &p); err != nil {
		return nil, err
	}
	return s.issue(ctx, p)
}

// issue seals a payload and gives the token it makes.
func (s *Identity) issue(ctx context.Context, p Payload) (*Token, error) {
	// Microseconds are dropped from the sealed form: what is answered now is
	// what a validation will answer.
	p.ExpiresAt = p.ExpiresAt.Truncate(time.Second)
	id, err := s.seal(p)
	if err != nil {
		return nil, err
	}
	t, err := s.Validate(ctx, id)
	if fault.Is(err, fault.NotFound) { // no role in the scope, or it was switched off meanwhile
		err = errUnauthorized
	}
	if err == nil && p.TrustID != "" {
		err = s.store.UseTrust(ctx, p.TrustID)
	}
	return t, err
}

// authenticate finds who signs in.
func (s *Identity) authenticate(ctx context.Context, c Credentials, p *Payload) (user *User, err error) {
	if len(c.Methods) == 0 {
		return nil, errUnauthorized
	}
	for _, method := range c.Methods {
		var found *User
		switch method {
		case "password":
			found, err = s.byPassword(ctx, c.User, c.Password)
		case "totp":
			found, err = s.byTOTP(ctx, c.TOTPUser, c.Passcode)
		case "application_credential":
			var cred *AppCredential
			if found, cred, err = s.byAppCredential(ctx, c); err == nil {
				p.AppCredID, p.Scope = cred.ID, Scope{ProjectID: cred.ProjectID}
			}
		case "oauth1":
			var t *OAuthToken
			if found, t, err = s.byOAuth1(ctx, c.OAuth); err == nil {
				p.AccessTokenID, p.Scope = t.ID, Scope{ProjectID: t.ProjectID}
			}
		case "token":
			found, err = s.byToken(ctx, c, p)
		default:
			err = fault.New(fault.Unauthorized, "Attempted to authenticate with an unsupported method.")
		}
		if err != nil {
			return nil, err
		}
		if user != nil && user.ID != found.ID {
			return nil, errUnauthorized
		}
		user = found
	}
	return user, nil
}

// byToken takes over from a token what a token made of it has in common.
func (s *Identity) byToken(ctx context.Context, c Credentials, p *Payload) (*User, error) {
	t, err := s.Validate(ctx, c.TokenID)
	if fault.Is(err, fault.NotFound) {
		err = errUnauthorized
	}
	if err != nil {
		return nil, err
	}
	delegated := t.Delegated() || t.BySignature()
	switch {
	case !delegated || !c.scoped():
	case t.AppCredID != "":
		return nil, refused("Using an application credential token to create a scoped token is not allowed.")
	default:
		return nil, refused("Using a token of a trust, of OAuth or of EC2 to create another token.")
	}
	p.ExpiresAt = t.ExpiresAt
	p.AuditIDs = append(p.AuditIDs, t.AuditIDs[0])
	p.Methods = union(p.Methods, t.Methods)
	p.TrustID, p.AppCredID, p.AccessTokenID, p.Federation = t.TrustID, t.AppCredID, t.AccessTokenID, t.Federation
	if delegated {
		p.Scope = t.Scope
	}
	return &t.User, nil
}

// enoughFactors answers with a receipt while the user has to show more.
func (s *Identity) enoughFactors(ctx context.Context, c Credentials, u *User, methods []string) error {
	if c.Receipt != "" {
		shown, err := s.openReceipt(c.Receipt, u.ID)
		if err != nil {
			return err
		}
		methods = union(methods, shown)
	}
	if !u.option(multiFactor) || slices.Contains(methods, "application_credential") || slices.Contains(methods, "oauth1") {
		return nil
	}
	all, err := factorRules(u.Options[multiFactorRules])
	if err != nil {
		return nil // there are none
	}
	var usable [][]string
	for _, rule := range all {
		if !slices.ContainsFunc(rule, func(m string) bool { return !slices.Contains(methodBits, m) }) {
			usable = append(usable, rule)
		}
	}
	if len(usable) == 0 {
		return nil
	}
	for _, rule := range usable {
		if !slices.ContainsFunc(rule, func(m string) bool { return !slices.Contains(methods, m) }) {
			return nil
		}
	}
	return s.receipt(ctx, u, methods, usable)
}

func (s *Identity) receipt(ctx context.Context, u *User, methods []string, required [][]string) error {
	domain, err := s.Domain(ctx, u.DomainID)
	if err != nil {
		return err
	}
	now := s.clock.Now()
	r := Receipt{User: *u, Domain: domain, Methods: methods, Required: required, IssuedAt: now, ExpiresAt: now.Add(receiptLife).Truncate(time.Second)}
	b, err := msgpack.Marshal([]any{payloadReceipt, packID(u.ID), bitsOf(methods), r.ExpiresAt.Unix()})
	if err != nil {
		return err
	}
	r.ID = fernet.Seal(s.keys.Keys()[0], b, now)
	return &MoreFactors{r}
}

// openReceipt gives the methods that a receipt of the user's stands for.
func (s *Identity) openReceipt(id, userID string) ([]string, error) {
	b, _, err := fernet.Open(s.keys.Keys(), id)
	if err != nil {
		return nil, errUnauthorized
	}
	var fields []any
	if msgpack.Unmarshal(b, &fields) != nil || len(fields) != 4 || toInt(fields[0]) != payloadReceipt || unpackID(fields[1]) != userID {
		return nil, errUnauthorized
	}
	if s.clock.Now().Unix() >= int64(toInt(fields[3])) {
		return nil, errUnauthorized
	}
	return methodsOf(toInt(fields[2])), nil
}

// scopeOf finds the scope asked for and puts it into the payload. Without
// one it is the credential's own, or the user's default project if he still
// has a role there.
func (s *Identity) scopeOf(ctx context.Context, c Credentials, user *User, p *Payload) error {
	fixed := p.Scope != Scope{} // what was delegated is for one scope
	wanted, err := s.wantedScope(ctx, c, user, p)
	if err != nil {
		return err
	}
	switch {
	case fixed && !c.scoped():
	case fixed && wanted != p.Scope:
		return errUnauthorized
	default:
		p.Scope = wanted
	}
	return nil
}

func (s *Identity) wantedScope(ctx context.Context, c Credentials, user *User, p *Payload) (Scope, error) {
	switch {
	case c.TrustID != "":
		return s.trustScope(ctx, c.TrustID, user, p)
	case c.Unscoped:
		return Scope{}, nil
	case c.System:
		return Scope{System: true}, nil
	case c.DomainID != "" || c.DomainName != "":
		d, err := s.findDomain(ctx, c.DomainID, c.DomainName)
		if err != nil || d == nil {
			return Scope{}, orUnauthorized(err)
		}
		return Scope{DomainID: d.ID}, nil
	case c.ProjectID != "" || c.ProjectName != "":
		found, err := s.findProject(ctx, c)
		if err != nil || found == nil {
			return Scope{}, orUnauthorized(err)
		}
		return Scope{ProjectID: found.ID}, nil
	case user.DefaultProjectID != "":
		sc := Scope{ProjectID: user.DefaultProjectID}
		if _, err := s.enabled(ctx, sc.ProjectID); err != nil {
			return Scope{}, nil //nolint:nilerr // as Keystone: an unusable default gives an unscoped token
		}
		if roles, err := s.RolesOn(ctx, user.ID, sc); err != nil || len(roles) == 0 {
			return Scope{}, err
		}
		return sc, nil
	}
	return Scope{}, nil
}

// trustScope makes the payload one of a trust, which the user must be the
// trustee of.
func (s *Identity) trustScope(ctx context.Context, id string, user *User, p *Payload) (Scope, error) {
	var err error
	if p.UserID, p.Epoch, err = s.trustUser(ctx, id, user); err != nil {
		return Scope{}, err
	}
	t, err := s.Trust(ctx, id)
	if err != nil {
		return Scope{}, err
	}
	p.TrustID = id
	return Scope{ProjectID: t.ProjectID}, nil
}

// trustUser gives the user a trustee's token names: himself, or the trustor
// whom he impersonates.
func (s *Identity) trustUser(ctx context.Context, id string, trustee *User) (userID string, epoch int64, err error) {
	t, err := s.Trust(ctx, id)
	if fault.Is(err, fault.NotFound) {
		return "", 0, errUnauthorized
	}
	if err != nil {
		return "", 0, err
	}
	if t.TrusteeID != trustee.ID {
		return "", 0, fault.Forbiddenf("You are not authorized to perform the requested action: User is not a trustee.")
	}
	if !t.Impersonation {
		return trustee.ID, trustee.TokenEpoch, nil
	}
	trustor, err := s.activeUser(ctx, t.TrustorID)
	if err != nil {
		return "", 0, fault.Forbiddenf("You are not authorized to perform the requested action: Trustor is disabled.")
	}
	return trustor.ID, trustor.TokenEpoch, nil
}

func (s *Identity) findDomain(ctx context.Context, id, name string) (*Project, error) {
	if id != "" {
		return s.store.Projects().Find(ctx, equal("id", id), equal("is_domain", true))
	}
	return s.store.Projects().Find(ctx, equal("name", name), equal("is_domain", true))
}

func (s *Identity) findProject(ctx context.Context, c Credentials) (*Project, error) {
	if c.ProjectID != "" {
		return s.store.Projects().Find(ctx, equal("id", c.ProjectID))
	}
	domain, err := s.findDomain(ctx, c.ProjectDomainID, c.ProjectDomN)
	if err != nil || domain == nil {
		return nil, err
	}
	return s.store.Projects().Find(ctx, equal("name", c.ProjectName), equal("domain_id", domain.ID))
}

func union(a, b []string) []string {
	out := slices.Clone(a)
	for _, s := range b {
		if !slices.Contains(out, s) {
			out = append(out, s)
		}
	}
	return out
}
