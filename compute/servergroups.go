package compute

import (
	"context"
	"time"

	"nubo/internal/auth"
	"nubo/internal/clock"
	"nubo/internal/db"
	"nubo/internal/fault"
)

// ServerGroup asks the scheduler to keep servers together or apart.
type ServerGroup struct {
	ID        string
	Name      string
	ProjectID string
	UserID    string
	Policy    string // "affinity", "anti-affinity", "soft-…"
	Rules     map[string]int
	// Members are the ids of its servers that are not deleted.
	Members   []string
	CreatedAt time.Time
}

// ServerGroup gives a group of the caller's project, or any to an admin.
func (s *Service) ServerGroup(ctx context.Context, id string) (*ServerGroup, error) {
	g, err := s.store.ServerGroup(ctx, id)
	if err != nil {
		return nil, err
	}
	if c := auth.From(ctx); !c.IsAdmin && g.ProjectID != c.ProjectID {
		return nil, fault.NotFoundf("Instance group %s could not be found.", id).WithType("InstanceGroupNotFound")
	}
	return g, nil
}

// ServerGroups lists the caller's project's, or every project's.
func (s *Service) ServerGroups(ctx context.Context, all bool, page db.Page) ([]*ServerGroup, error) {
	project := auth.From(ctx).ProjectID
	if all {
		project = ""
	} else if project == "" {
		return nil, nil
	}
	return s.store.ServerGroups(ctx, project, page)
}

// CreateServerGroup makes one.
func (s *Service) CreateServerGroup(ctx context.Context, name, policy string, rules map[string]int) (*ServerGroup, error) {
	c := auth.From(ctx)
	g := &ServerGroup{
		ID: clock.NewID(), Name: name, ProjectID: c.ProjectID, UserID: c.UserID, Policy: policy, Rules: rules, CreatedAt: db.Micro(s.clock.Now()),
	}
	return g, s.store.InTx(ctx, func(ctx context.Context) error {
		if err := s.quotas.Check(ctx, c.ProjectID, map[string]int64{"server_groups": 1}); err != nil {
			return fault.New(fault.OverQuota, "Quota exceeded, too many server groups.").WithCause(err)
		}
		return s.store.CreateServerGroup(ctx, g)
	})
}

// DeleteServerGroup removes one; its servers stay where they are.
func (s *Service) DeleteServerGroup(ctx context.Context, id string) error {
	if _, err := s.ServerGroup(ctx, id); err != nil {
		return err
	}
	return s.store.DeleteServerGroup(ctx, id)
}
