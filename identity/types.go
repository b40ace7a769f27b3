package identity

import (
	"context"
	"time"

	"nubo/internal/db"
)

// DefaultDomain is the id of the domain every cloud has.
const DefaultDomain = "default"

// Project owns resources; a domain is a project that owns users and projects.
type Project struct {
	ID          string
	Name        string
	DomainID    string // of a domain: ""
	ParentID    string // its domain, or another project; of a domain: ""
	IsDomain    bool
	Enabled     bool
	Description string
	Tags        []string
	Options     map[string]any
	Extra       map[string]any // attributes Keystone keeps for the client
	CreatedAt   time.Time
}

// Actor and target types of an assignment.
const (
	ActorUser     = "user"
	ActorGroup    = "group"
	TargetProject = "project"
	TargetDomain  = "domain"
	TargetSystem  = "system"
)

// Assignment gives an actor a role on a target; inherited ones count on the
// projects below the target instead of on itself.
type Assignment struct {
	ActorType  string
	ActorID    string
	TargetType string
	TargetID   string
	RoleID     string
	Inherited  bool
}

// Store is what identity keeps. Get methods answer a fault NotFound in
// Keystone's words, Create and Update a fault Conflict for a taken name.
type Store interface {
	InTx(ctx context.Context, fn func(ctx context.Context) error) error
	// Epoch changes with every write, also of other processes.
	Epoch(ctx context.Context) (int64, error)
	// Send puts messages into the outbox, in the transaction of ctx; Relay
	// hands them to send until ctx ends.
	Send(ctx context.Context, msgs ...db.Message) error
	Relay(ctx context.Context, send func(context.Context, []db.Message) (int, error)) error

	Projects() Table[Project]
	Users() Table[User]
	Groups() Table[Group]
	Roles() Table[Role]
	Regions() Table[Region]
	Services() Table[Service]
	Endpoints() Table[Endpoint]
	AppCredentials() Table[AppCredential]
	AccessRules() Table[AccessRule]
	Trusts() Table[Trust]
	Credentials() Table[Credential]
	RegisteredLimits() Table[RegisteredLimit]
	Limits() Table[Limit]
	Policies() Table[Policy]
	EndpointGroups() Table[EndpointGroup]
	IdentityProviders() Table[IdentityProvider]
	Mappings() Table[Mapping]
	ServiceProviders() Table[ServiceProvider]
	Consumers() Table[Consumer]
	OAuthTokens() Table[OAuthToken]

	// UseTrust counts a use of a trust that has a number of them; a trust
	// used up is a fault Unauthorized.
	UseTrust(ctx context.Context, id string) error
	// RemoveAppCredentials removes a user's application credentials on a
	// project, RemoveAppCredentialsWith everybody's that have a role.
	RemoveAppCredentials(ctx context.Context, userID, projectID string) error
	RemoveAppCredentialsWith(ctx context.Context, roleID string) error

	// SignIns gives what is noted of a user's sign-ins. The notes are no
	// change that ends anything: they do not raise the epoch.
	SignIns(ctx context.Context, userID string) (SignIns, error)
	NoteFailure(ctx context.Context, userID string, at time.Time) error
	NoteSuccess(ctx context.Context, userID string, at time.Time) error
	ForgetFailures(ctx context.Context, userID string) error
	// KeepPassword remembers an old password, the newest of keep ones.
	KeepPassword(ctx context.Context, userID, hash string, keep int) error
	OldPasswords(ctx context.Context, userID string, n int) ([]string, error)

	AssociatePolicy(ctx context.Context, a PolicyAssociation) error
	DissociatePolicy(ctx context.Context, a PolicyAssociation) error
	PolicyAssociations(ctx context.Context) ([]PolicyAssociation, error)

	// Links lists those of a project, or with "" of another end.
	Links(ctx context.Context, group bool, projectID, otherID string) ([]Link, error)
	AddLink(ctx context.Context, l Link) error
	RemoveLink(ctx context.Context, l Link) error

	AddEvent(ctx context.Context, e Event) error
	Events(ctx context.Context, since time.Time) ([]Event, error)
	PurgeEvents(ctx context.Context, before time.Time) error

	// DomainOptions are a domain's own; "" as section or name removes all.
	DomainOptions(ctx context.Context, domainID string) ([]DomainOption, error)
	SetDomainOption(ctx context.Context, o DomainOption) error
	RemoveDomainOptions(ctx context.Context, domainID, section, name string) error

	Protocol(ctx context.Context, providerID, id string) (*Protocol, error)
	Protocols(ctx context.Context, providerID string) ([]Protocol, error)
	CreateProtocol(ctx context.Context, p *Protocol) error
	UpdateProtocol(ctx context.Context, p *Protocol) error
	DeleteProtocol(ctx context.Context, providerID, id string) error
	// ExternalUser gives the mirror of a user of another party, "" if there
	// is none.
	ExternalUser(ctx context.Context, source, uniqueID string) (userID string, err error)
	// AddExternalUser ties a user to another party; mirrored says that he is
	// there only because of it.
	AddExternalUser(ctx context.Context, source, uniqueID, userID string, mirrored bool) error
	ExternalIDs(ctx context.Context, userID string) ([]ExternalID, error)
	RemoveExternalUser(ctx context.Context, source, uniqueID string) error
	// ForgetExternalUsers forgets a source, and lists the mirrored users who
	// have no other and no password.
	ForgetExternalUsers(ctx context.Context, source string) ([]string, error)

	// ProjectsOf lists the projects, or domains, on which one of the actors
	// has a role.
	ProjectsOf(ctx context.Context, actors []string, domains bool) ([]Project, error)
	UsersIn(ctx context.Context, groupID string, f []db.Filter) ([]User, error)
	GroupsOf(ctx context.Context, userID string, f []db.Filter) ([]Group, error)
	// ExpiringGroupsOf lists those that a provider made a user a member of for
	// a while that has not ended.
	ExpiringGroupsOf(ctx context.Context, userID string, now time.Time, f []db.Filter) ([]Membership, error)
	// ActorGroups lists the ids of a user's groups, with those that a
	// provider made him a member of for a while; MembershipEnds is when the
	// first of these ends, nil if there is none.
	ActorGroups(ctx context.Context, userID string, now time.Time) ([]string, error)
	MembershipEnds(ctx context.Context, userID string, now time.Time) (*time.Time, error)
	AddExpiringMember(ctx context.Context, groupID, userID, providerID string, expires time.Time) error
	AddMember(ctx context.Context, groupID, userID string) error
	RemoveMember(ctx context.Context, groupID, userID string) error
	// IsMember knows both kinds of memberships.
	IsMember(ctx context.Context, groupID, userID string, now time.Time) (bool, error)

	Implications(ctx context.Context) ([]Implication, error)
	AddImplication(ctx context.Context, i Implication) error
	RemoveImplication(ctx context.Context, i Implication) error

	Assign(ctx context.Context, a Assignment) error
	Unassign(ctx context.Context, a Assignment) error
	HasAssignment(ctx context.Context, a Assignment) (bool, error)
	Assignments(ctx context.Context, f AssignmentFilter) ([]Assignment, error)

	Revoke(ctx context.Context, auditID string, expires time.Time) error
	Revoked(ctx context.Context) ([]string, error)
	// PurgeRevoked forgets tokens that expired before a time.
	PurgeRevoked(ctx context.Context, before time.Time) error
}

// Table keeps one kind of resource.
type Table[T any] interface {
	Get(ctx context.Context, id string) (*T, error)
	// Find gives the one that the filters name, nil if there is none.
	Find(ctx context.Context, f ...db.Filter) (*T, error)
	List(ctx context.Context, p db.Page, f []db.Filter) ([]T, error)
	Create(ctx context.Context, v *T) error
	Update(ctx context.Context, v *T) error
	Delete(ctx context.Context, id string) error
}

// AssignmentFilter narrows a list of assignments; empty fields match all.
type AssignmentFilter struct {
	ActorType  string
	ActorIDs   []string
	TargetType string
	TargetIDs  []string
	RoleID     string
	Inherited  *bool
	// Within is a domain: only assignments on it and on its projects.
	Within string
}

// Equal makes the filter field = value.
func equal(field string, value any) db.Filter {
	return db.Filter{Column: field, Op: db.Equal, Values: []any{value}}
}
