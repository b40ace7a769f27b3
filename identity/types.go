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

// User signs in.
type User struct {
	ID               string
	Name             string
	DomainID         string
	Enabled          bool
	DefaultProjectID string
	Description      string
	Email            string
	PasswordHash     string
	PasswordSetAt    time.Time
	// TokenEpoch is part of every token of the user: raising it ends them all.
	TokenEpoch int64
	Options    map[string]any
	Extra      map[string]any
	CreatedAt  time.Time

	random bool // the password is one of nubo's own making
}

// Group collects users of a domain.
type Group struct {
	ID          string
	Name        string
	DomainID    string
	Description string
	Extra       map[string]any
}

// Role is a name that policies know.
type Role struct {
	ID          string
	Name        string
	DomainID    string // "" for global roles
	Description string
	Options     map[string]any
}

// Implication says that whoever has Prior has Implied as well.
type Implication struct{ PriorID, ImpliedID string }

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

// Region is where endpoints are.
type Region struct {
	ID             string
	ParentRegionID string
	Description    string
}

// Service is an entry of the catalog.
type Service struct {
	ID          string
	Type        string
	Name        string
	Description string
	Enabled     bool
}

// Endpoint is an address of a service.
type Endpoint struct {
	ID        string
	ServiceID string
	RegionID  string
	Interface string // public, internal or admin
	URL       string
	Enabled   bool
}

// Store is what identity keeps. Get methods answer a fault NotFound in
// Keystone's words, Create and Update a fault Conflict for a taken name.
type Store interface {
	InTx(ctx context.Context, fn func(ctx context.Context) error) error
	// Epoch changes with every write, also of other processes.
	Epoch(ctx context.Context) (int64, error)

	Projects() Table[Project]
	Users() Table[User]
	Groups() Table[Group]
	Roles() Table[Role]
	Regions() Table[Region]
	Services() Table[Service]
	Endpoints() Table[Endpoint]

	// ProjectsOf lists the projects a user has a role on.
	ProjectsOf(ctx context.Context, userID string, domains bool) ([]Project, error)
	UsersIn(ctx context.Context, groupID string, f []db.Filter) ([]User, error)
	GroupsOf(ctx context.Context, userID string, f []db.Filter) ([]Group, error)
	AddMember(ctx context.Context, groupID, userID string) error
	RemoveMember(ctx context.Context, groupID, userID string) error
	IsMember(ctx context.Context, groupID, userID string) (bool, error)

	Implications(ctx context.Context) ([]Implication, error)
	AddImplication(ctx context.Context, i Implication) error
	RemoveImplication(ctx context.Context, i Implication) error

	Assign(ctx context.Context, a Assignment) error
	Unassign(ctx context.Context, a Assignment) error
	HasAssignment(ctx context.Context, a Assignment) (bool, error)
	Assignments(ctx context.Context, f AssignmentFilter) ([]Assignment, error)

	Revoke(ctx context.Context, auditID string, expires time.Time) error
	Revoked(ctx context.Context) ([]string, error)
	PurgeRevoked(ctx context.Context, now time.Time) error
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
}

// Equal makes the filter field = value.
func equal(field string, value any) db.Filter {
	return db.Filter{Column: field, Op: db.Equal, Values: []any{value}}
}
