package network

import (
	"context"
	"slices"

	"nubo/internal/auth"
)

// SecurityGroup is a set of rules that admit traffic to and from its ports.
type SecurityGroup struct {
	Base
	Name      string
	IsDefault bool
	Stateful  bool
	Rules     []*SecurityGroupRule `bun:"-"`
}

// SecurityGroupUpdate is what changes of a group.
type SecurityGroupUpdate struct{ Name, Description *string }

// defaultGroupName is the name no other group of a project may have.
const defaultGroupName = "default"

// SecurityGroup gives a group of the caller's with its rules.
func (s *Service) SecurityGroup(ctx context.Context, id string) (*SecurityGroup, error) {
	return get(ctx, s.store.SecurityGroups(), id, SecurityGroupNotFound)
}

// SecurityGroups lists the caller's groups with their rules. The caller's
// project has its default group from then on at the latest.
func (s *Service) SecurityGroups(ctx context.Context, q Query) ([]*SecurityGroup, error) {
	if project := auth.From(ctx).ProjectID; project != "" {
		id, err := s.store.DefaultGroup(ctx, project)
		if err != nil {
			return nil, err
		}
		if id == "" {
			err := s.commit(ctx, func(ctx context.Context, c *change) error {
				_, err := s.ensureDefaultGroup(ctx, c, project)
				return err
			})
			if err != nil {
				return nil, err
			}
		}
	}
	return s.store.SecurityGroups().List(ctx, q)
}

// ensureDefaultGroup gives a project's default group, made on first sight:
// it lets everything out, and in from each other.
func (s *Service) ensureDefaultGroup(ctx context.Context, c *change, project string) (string, error) {
	id, err := s.store.DefaultGroup(ctx, project)
	if err != nil || id != "" || project == "" {
		return id, err
	}
	g := &SecurityGroup{Base: Base{ProjectID: project, Description: "Default security group"}, Name: defaultGroupName, IsDefault: true, Stateful: true}
	if err := s.insertGroup(ctx, c, g); err != nil {
		return "", err
	}
	return g.ID, nil
}

// insertGroup stores a group with the rules every group is born with.
func (s *Service) insertGroup(ctx context.Context, c *change, g *SecurityGroup) error {
	s.begin(ctx, g)
	if err := s.store.SecurityGroups().Create(ctx, g); err != nil {
		return err
	}
	g.Rules = nil
	for _, ethertype := range []string{IPv4, IPv6} {
		g.Rules = append(g.Rules, &SecurityGroupRule{Direction: Egress, EtherType: ethertype})
		if g.IsDefault {
			g.Rules = append(g.Rules, &SecurityGroupRule{Direction: Ingress, EtherType: ethertype, RemoteGroupID: g.ID})
		}
	}
	for _, r := range g.Rules {
		r.ProjectID, r.SecurityGroupID = g.ProjectID, g.ID
		s.begin(ctx, r)
	}
	if err := s.store.Rules().Create(ctx, g.Rules...); err != nil {
		return err
	}
	c.note("security_group.create.end", "security_group", groupPayload(g))
	return nil
}

// CreateSecurityGroup makes a group that lets everything out and nothing in.
func (s *Service) CreateSecurityGroup(ctx context.Context, in SecurityGroup) (*SecurityGroup, error) {
	var out *SecurityGroup
	err := s.commit(ctx, func(ctx context.Context, c *change) error {
		g := in
		if g.ProjectID == "" {
			g.ProjectID = auth.From(ctx).ProjectID
		}
		if _, err := s.ensureDefaultGroup(ctx, c, g.ProjectID); err != nil {
			return err
		}
		if g.Name == defaultGroupName {
			return conflict("SecurityGroupDefaultAlreadyExists", "Default security group already exists.")
		}
		if err := s.charge(ctx, g.ProjectID, "security_group"); err != nil {
			return err
		}
		out = &g
		return s.insertGroup(ctx, c, &g)
	})
	return out, err
}

// UpdateSecurityGroup changes a group.
func (s *Service) UpdateSecurityGroup(ctx context.Context, id string, u SecurityGroupUpdate) (*SecurityGroup, error) {
	var out *SecurityGroup
	err := s.commit(ctx, func(ctx context.Context, c *change) error {
		g, err := s.SecurityGroup(ctx, id)
		if err != nil {
			return err
		}
		if u.Name != nil && *u.Name != g.Name && g.IsDefault {
			return conflict("SecurityGroupCannotUpdateDefault", "Updating default security group not allowed.")
		}
		if u.Name != nil && *u.Name == defaultGroupName && !g.IsDefault {
			return conflict("SecurityGroupDefaultAlreadyExists", "Default security group already exists.")
		}
		set(&g.Name, u.Name)
		set(&g.Description, u.Description)
		s.touch(g)
		c.note("security_group.update.end", "security_group", groupPayload(g))
		out = g
		return s.store.SecurityGroups().Update(ctx, g)
	})
	return out, err
}

// DeleteSecurityGroup deletes a group that no port is in.
func (s *Service) DeleteSecurityGroup(ctx context.Context, id string) error {
	return s.commit(ctx, func(ctx context.Context, c *change) error {
		g, err := s.SecurityGroup(ctx, id)
		if err != nil {
			return err
		}
		if g.IsDefault && !auth.From(ctx).IsAdmin {
			return conflict("SecurityGroupCannotRemoveDefault", "Insufficient rights for removing default security group.")
		}
		hosts, err := s.store.Ports().List(ctx, Where("security_groups", id))
		if err != nil {
			return err
		}
		if len(hosts) > 0 {
			return conflict("SecurityGroupInUse", "Security Group %s in use.", id)
		}
		c.dirty.groups(id)
		c.note("security_group.delete.end", "security_group", groupPayload(g))
		dependents, err := s.store.Rules().List(ctx, Where("remote_group_id", id))
		if err != nil {
			return err
		}
		for _, r := range dependents {
			if r.SecurityGroupID == id {
				continue
			}
			if err := s.store.Rules().Delete(ctx, r.ID); err != nil {
				return err
			}
			c.dirty.groups(r.SecurityGroupID)
		}
		return s.store.SecurityGroups().Delete(ctx, id)
	})
}

// groupProject checks that the caller may put rules into the group.
func (s *Service) groupProject(ctx context.Context, id string) (string, error) {
	g, err := s.SecurityGroup(ctx, id)
	if err != nil {
		return "", err
	}
	return g.ProjectID, nil
}

// CreateRules adds rules to groups, all or none.
func (s *Service) CreateRules(ctx context.Context, in []SecurityGroupRule) ([]*SecurityGroupRule, error) {
	var out []*SecurityGroupRule
	err := s.commit(ctx, func(ctx context.Context, c *change) error {
		out = nil
		for _, r := range in {
			if err := s.createRule(ctx, c, &r); err != nil {
				return err
			}
			out = append(out, &r)
		}
		return nil
	})
	return out, err
}

func (s *Service) createRule(ctx context.Context, c *change, r *SecurityGroupRule) error {
	if err := checkRule(r); err != nil {
		return err
	}
	project, err := s.groupProject(ctx, r.SecurityGroupID)
	if err != nil {
		return err
	}
	if r.RemoteGroupID != "" {
		if _, err := s.groupProject(ctx, r.RemoteGroupID); err != nil {
			return err
		}
	}
	if r.ProjectID == "" {
		r.ProjectID = project
	}
	s.begin(ctx, r)
	if err := s.charge(ctx, r.ProjectID, "security_group_rule"); err != nil {
		return err
	}
	siblings, err := s.store.Rules().List(ctx, Where("security_group_id", r.SecurityGroupID))
	if err != nil {
		return err
	}
	if i := slices.IndexFunc(siblings, r.same); i >= 0 {
		return conflict("SecurityGroupRuleExists", "Security group rule already exists. Rule id is %s.", siblings[i].ID)
	}
	if err := s.store.Rules().Create(ctx, r); err != nil {
		return err
	}
	c.dirty.groups(r.SecurityGroupID)
	c.note("security_group_rule.create.end", "security_group_rule", rulePayload(r))
	return nil
}

// Rule gives a rule of the caller's.
func (s *Service) Rule(ctx context.Context, id string) (*SecurityGroupRule, error) {
	return get(ctx, s.store.Rules(), id, SecurityGroupRuleNotFound)
}

// Rules lists the caller's rules.
func (s *Service) Rules(ctx context.Context, q Query) ([]*SecurityGroupRule, error) {
	return s.store.Rules().List(ctx, q)
}

// DeleteRule removes a rule from its group.
func (s *Service) DeleteRule(ctx context.Context, id string) error {
	return s.commit(ctx, func(ctx context.Context, c *change) error {
		r, err := s.Rule(ctx, id)
		if err != nil {
			return err
		}
		c.dirty.groups(r.SecurityGroupID)
		c.note("security_group_rule.delete.end", "security_group_rule", rulePayload(r))
		return s.store.Rules().Delete(ctx, id)
	})
}
