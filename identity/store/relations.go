package store

import (
	"context"
	"database/sql"
	"errors"
	"time"

	"nubo/identity"
	"nubo/internal/db"
	"nubo/internal/fault"
)

// UseTrust implements identity.Store.
func (s *Store) UseTrust(ctx context.Context, id string) error {
	res, err := s.db.Query(ctx).NewRaw("UPDATE trusts SET remaining_uses = remaining_uses - 1 WHERE id = ? AND (remaining_uses IS NULL OR remaining_uses > 0)", id).Exec(ctx)
	return db.CAS(res, err, fault.New(fault.Unauthorized, "The request you have made requires authentication."))
}

// RemoveAppCredentials implements identity.Store.
func (s *Store) RemoveAppCredentials(ctx context.Context, userID, projectID string) error {
	return each(run(ctx, s.db.Query(ctx), "DELETE FROM application_credentials WHERE user_id = ? AND project_id = ?", userID, projectID))
}

// RemoveAppCredentialsWith implements identity.Store.
func (s *Store) RemoveAppCredentialsWith(ctx context.Context, roleID string) error {
	return each(run(ctx, s.db.Query(ctx), "DELETE FROM application_credentials WHERE roles LIKE ?", `%"`+roleID+`"%`))
}

// SignIns implements identity.Store.
func (s *Store) SignIns(ctx context.Context, userID string) (identity.SignIns, error) {
	var v identity.SignIns
	err := s.db.Query(ctx).NewSelect().Model(&v).ModelTableExpr("sign_ins AS ?TableAlias").Where("user_id = ?", userID).Scan(ctx)
	if errors.Is(err, sql.ErrNoRows) {
		err = nil
	}
	return v, err
}

// NoteFailure implements identity.Store.
func (s *Store) NoteFailure(ctx context.Context, userID string, at time.Time) error {
	return each(run(ctx, s.db.Query(ctx), "INSERT INTO sign_ins (user_id, failures, failed_at) VALUES (?, 1, ?) "+
		"ON CONFLICT (user_id) DO UPDATE SET failures = sign_ins.failures + 1, failed_at = EXCLUDED.failed_at", userID, at))
}

// NoteSuccess implements identity.Store.
func (s *Store) NoteSuccess(ctx context.Context, userID string, at time.Time) error {
	return each(run(ctx, s.db.Query(ctx), "INSERT INTO sign_ins (user_id, failures, active_at) VALUES (?, 0, ?) "+
		"ON CONFLICT (user_id) DO UPDATE SET failures = 0, failed_at = NULL, active_at = EXCLUDED.active_at", userID, at))
}

// ForgetFailures implements identity.Store.
func (s *Store) ForgetFailures(ctx context.Context, userID string) error {
	return each(run(ctx, s.db.Query(ctx), "UPDATE sign_ins SET failures = 0, failed_at = NULL WHERE user_id = ?", userID))
}

// KeepPassword implements identity.Store.
func (s *Store) KeepPassword(ctx context.Context, userID, hash string, keep int) error {
	q := s.db.Query(ctx)
	return each(
		run(ctx, q, "INSERT INTO old_passwords (id, user_id, hash) VALUES (?, ?, ?)", db.NextSeq(), userID, hash),
		run(ctx, q, "DELETE FROM old_passwords WHERE user_id = ? AND id NOT IN (SELECT id FROM old_passwords WHERE user_id = ? ORDER BY id DESC LIMIT ?)", userID, userID, keep),
	)
}

// OldPasswords implements identity.Store: the newest first.
func (s *Store) OldPasswords(ctx context.Context, userID string, n int) ([]string, error) {
	var out []string
	err := s.db.Query(ctx).NewSelect().TableExpr("old_passwords").Column("hash").Where("user_id = ?", userID).Order("id DESC").Limit(int64(n)).Scan(ctx, &out)
	return out, err
}

// AssociatePolicy implements identity.Store.
func (s *Store) AssociatePolicy(ctx context.Context, a identity.PolicyAssociation) error {
	return each(run(ctx, s.db.Query(ctx), "INSERT INTO policy_associations (policy_id, endpoint_id, service_id, region_id) VALUES (?, ?, ?, ?) "+
		"ON CONFLICT (endpoint_id, service_id, region_id) DO UPDATE SET policy_id = EXCLUDED.policy_id", a.PolicyID, a.EndpointID, a.ServiceID, a.RegionID))
}

// DissociatePolicy implements identity.Store.
func (s *Store) DissociatePolicy(ctx context.Context, a identity.PolicyAssociation) error {
	return each(run(ctx, s.db.Query(ctx), "DELETE FROM policy_associations WHERE policy_id = ? AND endpoint_id = ? AND service_id = ? AND region_id = ?",
		a.PolicyID, a.EndpointID, a.ServiceID, a.RegionID))
}

// PolicyAssociations implements identity.Store.
func (s *Store) PolicyAssociations(ctx context.Context) ([]identity.PolicyAssociation, error) {
	var list []identity.PolicyAssociation
	return list, s.db.Query(ctx).NewSelect().Model(&list).ModelTableExpr("policy_associations AS ?TableAlias").Scan(ctx)
}

// linkTable names the table of a kind of links, and its column of the other
// end.
func linkTable(group bool) (table, other string) {
	if group {
		return "project_endpoint_groups", "endpoint_group_id"
	}
	return "project_endpoints", "endpoint_id"
}

// Links implements identity.Store.
func (s *Store) Links(ctx context.Context, group bool, projectID, otherID string) ([]identity.Link, error) {
	table, other := linkTable(group)
	q := s.db.Query(ctx).NewSelect().TableExpr(table).ColumnExpr("project_id, " + other + " AS other_id").OrderExpr("project_id, " + other)
	if projectID != "" {
		q = q.Where("project_id = ?", projectID)
	}
	if otherID != "" {
		q = q.Where(other+" = ?", otherID)
	}
	list := []identity.Link{}
	err := q.Scan(ctx, &list)
	for i := range list {
		list[i].Group = group
	}
	return list, err
}

// AddLink implements identity.Store.
func (s *Store) AddLink(ctx context.Context, l identity.Link) error {
	table, other := linkTable(l.Group)
	return each(run(ctx, s.db.Query(ctx), "INSERT INTO "+table+" (project_id, "+other+") VALUES (?, ?) ON CONFLICT DO NOTHING", l.ProjectID, l.OtherID))
}

// RemoveLink implements identity.Store.
func (s *Store) RemoveLink(ctx context.Context, l identity.Link) error {
	table, other := linkTable(l.Group)
	return each(run(ctx, s.db.Query(ctx), "DELETE FROM "+table+" WHERE project_id = ? AND "+other+" = ?", l.ProjectID, l.OtherID))
}

// AddEvent implements identity.Store.
func (s *Store) AddEvent(ctx context.Context, e identity.Event) error {
	return each(run(ctx, s.db.Query(ctx), "INSERT INTO revocation_events (id, audit_id, user_id, project_id, domain_id, role_id, trust_id, revoked_at) VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
		db.NextSeq(), e.AuditID, e.UserID, e.ProjectID, e.DomainID, e.RoleID, e.TrustID, e.RevokedAt))
}

// Events implements identity.Store.
func (s *Store) Events(ctx context.Context, since time.Time) ([]identity.Event, error) {
	list := []identity.Event{}
	return list, s.db.Query(ctx).NewSelect().Model(&list).ModelTableExpr("revocation_events AS ?TableAlias").Where("revoked_at >= ?", since).Order("id").Scan(ctx)
}

// PurgeEvents implements identity.Store.
func (s *Store) PurgeEvents(ctx context.Context, before time.Time) error {
	return each(run(ctx, s.db.Query(ctx), "DELETE FROM revocation_events WHERE revoked_at < ?", before))
}

// DomainOptions implements identity.Store.
func (s *Store) DomainOptions(ctx context.Context, domainID string) ([]identity.DomainOption, error) {
	list := []identity.DomainOption{}
	return list, s.db.Query(ctx).NewSelect().Model(&list).ModelTableExpr("domain_options AS ?TableAlias").Where("domain_id = ?", domainID).Order("section", "name").Scan(ctx)
}

// SetDomainOption implements identity.Store.
func (s *Store) SetDomainOption(ctx context.Context, o identity.DomainOption) error {
	return each(run(ctx, s.db.Query(ctx), "INSERT INTO domain_options (domain_id, section, name, value) VALUES (?, ?, ?, ?) "+
		"ON CONFLICT (domain_id, section, name) DO UPDATE SET value = EXCLUDED.value", o.DomainID, o.Section, o.Name, o.Value))
}

// RemoveDomainOptions implements identity.Store.
func (s *Store) RemoveDomainOptions(ctx context.Context, domainID, section, name string) error {
	return each(run(ctx, s.db.Query(ctx), "DELETE FROM domain_options WHERE domain_id = ? AND (? = '' OR section = ?) AND (? = '' OR name = ?)",
		domainID, section, section, name, name))
}

func noProtocol(id string) error {
	return fault.NotFoundf("Could not find federation protocol: %s.", id)
}

// Protocol implements identity.Store.
func (s *Store) Protocol(ctx context.Context, providerID, id string) (*identity.Protocol, error) {
	p := &identity.Protocol{}
	err := s.db.Query(ctx).NewSelect().Model(p).ModelTableExpr("protocols AS ?TableAlias").Where("provider_id = ? AND id = ?", providerID, id).Scan(ctx)
	if errors.Is(err, sql.ErrNoRows) {
		return nil, noProtocol(id)
	}
	return p, err
}

// Protocols implements identity.Store.
func (s *Store) Protocols(ctx context.Context, providerID string) ([]identity.Protocol, error) {
	list := []identity.Protocol{}
	return list, s.db.Query(ctx).NewSelect().Model(&list).ModelTableExpr("protocols AS ?TableAlias").Where("provider_id = ?", providerID).Order("id").Scan(ctx)
}

// CreateProtocol implements identity.Store.
func (s *Store) CreateProtocol(ctx context.Context, p *identity.Protocol) error {
	res, err := s.db.Query(ctx).NewRaw("INSERT INTO protocols (id, provider_id, mapping_id, remote_id_attribute) VALUES (?, ?, ?, ?) ON CONFLICT DO NOTHING",
		p.ID, p.ProviderID, p.MappingID, p.RemoteIDAttribute).Exec(ctx)
	return db.CAS(res, err, fault.Conflictf("Conflict occurred attempting to store federation_protocol - Duplicate ID, %s.", p.ID))
}

// UpdateProtocol implements identity.Store.
func (s *Store) UpdateProtocol(ctx context.Context, p *identity.Protocol) error {
	res, err := s.db.Query(ctx).NewRaw("UPDATE protocols SET mapping_id = ?, remote_id_attribute = ? WHERE provider_id = ? AND id = ?",
		p.MappingID, p.RemoteIDAttribute, p.ProviderID, p.ID).Exec(ctx)
	return db.CAS(res, err, noProtocol(p.ID))
}

// DeleteProtocol implements identity.Store.
func (s *Store) DeleteProtocol(ctx context.Context, providerID, id string) error {
	res, err := s.db.Query(ctx).NewRaw("DELETE FROM protocols WHERE provider_id = ? AND id = ?", providerID, id).Exec(ctx)
	return db.CAS(res, err, noProtocol(id))
}

// ExternalUser implements identity.Store.
func (s *Store) ExternalUser(ctx context.Context, source, uniqueID string) (string, error) {
	var id string
	err := s.db.Query(ctx).NewSelect().TableExpr("external_users").Column("user_id").Where("source = ? AND unique_id = ?", source, uniqueID).Scan(ctx, &id)
	if errors.Is(err, sql.ErrNoRows) {
		err = nil
	}
	return id, err
}

// ExternalIDs implements identity.Store.
func (s *Store) ExternalIDs(ctx context.Context, userID string) ([]identity.ExternalID, error) {
	var list []identity.ExternalID
	return list, s.db.Query(ctx).NewSelect().TableExpr("external_users").Column("source", "unique_id").Where("user_id = ?", userID).Order("source", "unique_id").Scan(ctx, &list)
}

// RemoveExternalUser implements identity.Store.
func (s *Store) RemoveExternalUser(ctx context.Context, source, uniqueID string) error {
	return each(run(ctx, s.db.Query(ctx), "DELETE FROM external_users WHERE source = ? AND unique_id = ?", source, uniqueID))
}

// ForgetExternalUsers implements identity.Store.
func (s *Store) ForgetExternalUsers(ctx context.Context, source string) ([]string, error) {
	var ids []string
	q := s.db.Query(ctx)
	if err := q.NewRaw(`SELECT e.user_id FROM external_users AS e JOIN users AS u ON u.id = e.user_id WHERE e.source = ? AND e.mirrored AND u.password_hash = ''
		AND NOT EXISTS (SELECT 1 FROM external_users AS o WHERE o.user_id = e.user_id AND o.source <> e.source)`, source).Scan(ctx, &ids); err != nil {
		return nil, err
	}
	return ids, each(run(ctx, q, "DELETE FROM external_users WHERE source = ?", source))
}

// AddExternalUser implements identity.Store.
func (s *Store) AddExternalUser(ctx context.Context, source, uniqueID, userID string, mirrored bool) error {
	return each(run(ctx, s.db.Query(ctx), "INSERT INTO external_users (source, unique_id, user_id, mirrored) VALUES (?, ?, ?, ?) "+
		"ON CONFLICT (source, unique_id) DO UPDATE SET user_id = EXCLUDED.user_id, mirrored = EXCLUDED.mirrored", source, uniqueID, userID, mirrored))
}
