package identity

import (
	"context"
	"encoding/json"
	"fmt"

	"nubo/internal/db"
	"nubo/internal/rpc"
)

// Exchange is where notifications go.
const Exchange = "keystone"

// What can happen, as the last part of an event's type.
const (
	created = "created"
	updated = "updated"
	deleted = "deleted"
)

// notice is a notification's payload in Keystone's basic format.
type notice struct {
	ID string `json:"resource_info,omitempty"`

	// Of an assignment, which has no id.
	Role      string `json:"role,omitempty"`
	User      string `json:"user,omitempty"`
	Group     string `json:"group,omitempty"`
	Project   string `json:"project,omitempty"`
	Domain    string `json:"domain,omitempty"`
	System    string `json:"system,omitempty"`
	Inherited bool   `json:"inherited_to_projects,omitempty"`
}

// notifying is a store that tells of changes, in their own transactions. What
// goes with something else, as a domain's users with it, is not told of.
type notifying struct{ Store }

// noted is a table that tells of its changes.
type noted[T any] struct {
	Table[T]
	store Store
	kind  func(*T) string
	id    func(*T) string
}

func note[T any](s notifying, t Table[T], kind string, id func(*T) string) Table[T] {
	return noted[T]{t, s.Store, func(*T) string { return kind }, id}
}

// Create implements Table.
func (t noted[T]) Create(ctx context.Context, v *T) error {
	if err := t.Table.Create(ctx, v); err != nil {
		return err
	}
	return notify(ctx, t.store, t.kind(v), created, notice{ID: t.id(v)})
}

// Update implements Table.
func (t noted[T]) Update(ctx context.Context, v *T) error {
	if err := t.Table.Update(ctx, v); err != nil {
		return err
	}
	return notify(ctx, t.store, t.kind(v), updated, notice{ID: t.id(v)})
}

// Delete implements Table.
func (t noted[T]) Delete(ctx context.Context, id string) error {
	v, err := t.Get(ctx, id) // a domain's kind is not that of a project
	if err == nil {
		err = t.Table.Delete(ctx, id)
	}
	if err != nil {
		return err
	}
	return notify(ctx, t.store, t.kind(v), deleted, notice{ID: id})
}

// notify puts a notification into the outbox.
func notify(ctx context.Context, s Store, kind, what string, n notice) error {
	env, err := rpc.EncodeNotification(ctx, rpc.Notification{
		Exchange: Exchange, PublisherID: "identity." + Exchange, EventType: "identity." + kind + "." + what, Payload: n,
	})
	if err != nil {
		return err
	}
	body, err := json.Marshal(env)
	if err != nil {
		return err
	}
	return s.Send(ctx, db.Message{Kind: "notify", Body: body})
}

// Projects implements Store.
func (s notifying) Projects() Table[Project] {
	return noted[Project]{s.Store.Projects(), s.Store, projectKind, func(p *Project) string { return p.ID }}
}

// Users implements Store.
func (s notifying) Users() Table[User] {
	return note(s, s.Store.Users(), "user", func(u *User) string { return u.ID })
}

// Groups implements Store.
func (s notifying) Groups() Table[Group] {
	return note(s, s.Store.Groups(), "group", func(g *Group) string { return g.ID })
}

// Roles implements Store.
func (s notifying) Roles() Table[Role] {
	return note(s, s.Store.Roles(), "role", func(r *Role) string { return r.ID })
}

// Regions implements Store.
func (s notifying) Regions() Table[Region] {
	return note(s, s.Store.Regions(), "region", func(r *Region) string { return r.ID })
}

// Services implements Store.
func (s notifying) Services() Table[Service] {
	return note(s, s.Store.Services(), "service", func(v *Service) string { return v.ID })
}

// Endpoints implements Store.
func (s notifying) Endpoints() Table[Endpoint] {
	return note(s, s.Store.Endpoints(), "endpoint", func(e *Endpoint) string { return e.ID })
}

// Policies implements Store.
func (s notifying) Policies() Table[Policy] {
	return note(s, s.Store.Policies(), "policy", func(p *Policy) string { return p.ID })
}

// Credentials implements Store.
func (s notifying) Credentials() Table[Credential] {
	return note(s, s.Store.Credentials(), "credential", func(c *Credential) string { return c.ID })
}

// AppCredentials implements Store.
func (s notifying) AppCredentials() Table[AppCredential] {
	return note(s, s.Store.AppCredentials(), "application_credential", func(c *AppCredential) string { return c.ID })
}

// Trusts implements Store.
func (s notifying) Trusts() Table[Trust] {
	return note(s, s.Store.Trusts(), "OS-TRUST:trust", func(t *Trust) string { return t.ID })
}

// AddMember implements Store.
func (s notifying) AddMember(ctx context.Context, groupID, userID string) error {
	if err := s.Store.AddMember(ctx, groupID, userID); err != nil {
		return err
	}
	return notify(ctx, s.Store, "group", updated, notice{ID: groupID})
}

// RemoveMember implements Store.
func (s notifying) RemoveMember(ctx context.Context, groupID, userID string) error {
	if err := s.Store.RemoveMember(ctx, groupID, userID); err != nil {
		return err
	}
	return notify(ctx, s.Store, "group", updated, notice{ID: groupID})
}

// Assign implements Store.
func (s notifying) Assign(ctx context.Context, a Assignment) error {
	if err := s.Store.Assign(ctx, a); err != nil {
		return err
	}
	return notify(ctx, s.Store, "role_assignment", created, a.notice())
}

// Unassign implements Store.
func (s notifying) Unassign(ctx context.Context, a Assignment) error {
	if err := s.Store.Unassign(ctx, a); err != nil {
		return err
	}
	return notify(ctx, s.Store, "role_assignment", deleted, a.notice())
}

func (a Assignment) notice() notice {
	n := notice{Role: a.RoleID, Inherited: a.Inherited}
	if a.ActorType == ActorUser {
		n.User = a.ActorID
	} else {
		n.Group = a.ActorID
	}
	switch a.TargetType {
	case TargetProject:
		n.Project = a.TargetID
	case TargetDomain:
		n.Domain = a.TargetID
	default:
		n.System = a.TargetID
	}
	return n
}

// relay publishes what the outbox holds until ctx ends.
func (s *Identity) relay(ctx context.Context) error {
	return s.store.Relay(ctx, func(ctx context.Context, msgs []db.Message) (int, error) {
		envs := make([]rpc.Envelope, len(msgs))
		for i, m := range msgs {
			if err := json.Unmarshal(m.Body, &envs[i]); err != nil {
				return 0, fmt.Errorf("outbox message %d: %w", m.ID, err)
			}
		}
		return s.bus.Publish(ctx, envs)
	})
}
