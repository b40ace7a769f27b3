package identity

import (
	"context"
	"strings"

	"nubo/internal/fault"
)

// FederatedID is what a user is called by an identity provider.
type FederatedID struct {
	ProviderID string
	ProtocolID string
	UniqueID   string
}

const federationPrefix = "federation:"

// federationSource is where the users of a protocol come from, as it is noted.
func federationSource(providerID, protocolID string) string {
	return federationPrefix + providerID + ":" + protocolID
}

// User gives a user with what providers call him.
func (s *Identity) User(ctx context.Context, id string) (*User, error) {
	u, err := s.store.Users().Get(ctx, id)
	if err == nil {
		u.Federated, err = s.federatedIDs(ctx, id)
	}
	return u, err
}

func (s *Identity) federatedIDs(ctx context.Context, userID string) ([]FederatedID, error) {
	known, err := s.store.ExternalIDs(ctx, userID)
	var out []FederatedID
	for _, e := range known {
		from, ok := strings.CutPrefix(e.Source, federationPrefix)
		if i := strings.LastIndexByte(from, ':'); ok && i >= 0 {
			out = append(out, FederatedID{from[:i], from[i+1:], e.UniqueID})
		}
	}
	return out, err
}

// ExternalID is a user's id at another party.
type ExternalID struct{ Source, UniqueID string }

// tieFederated notes what providers call a user; nothing was said changes
// nothing.
func (s *Identity) tieFederated(ctx context.Context, u *User) (err error) {
	if len(u.Federated) == 0 {
		u.Federated, err = s.federatedIDs(ctx, u.ID)
		return err
	}
	old, err := s.federatedIDs(ctx, u.ID)
	if err != nil {
		return err
	}
	for _, f := range old {
		if err := s.store.RemoveExternalUser(ctx, federationSource(f.ProviderID, f.ProtocolID), f.UniqueID); err != nil {
			return err
		}
	}
	for _, f := range u.Federated {
		if _, err := s.store.IdentityProviders().Get(ctx, f.ProviderID); err != nil {
			return invalid(err, "Could not find Identity Provider: %s", f.ProviderID)
		}
		if _, err := s.store.Protocol(ctx, f.ProviderID, f.ProtocolID); err != nil {
			return invalid(err, "Could not find federated protocol %s for Identity Provider: %s.", f.ProtocolID, f.ProviderID)
		}
		source := federationSource(f.ProviderID, f.ProtocolID)
		other, err := s.store.ExternalUser(ctx, source, f.UniqueID)
		if err != nil {
			return err
		}
		if other != "" {
			return fault.Conflictf("Conflict occurred attempting to store federated_user - Duplicate entry: %s is somebody else.", f.UniqueID)
		}
		if err := s.store.AddExternalUser(ctx, source, f.UniqueID, u.ID, false); err != nil {
			return err
		}
	}
	return nil
}
