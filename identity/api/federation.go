package api

import (
	"context"
	"encoding/json"
	"net/http"
	"strings"

	"nubo/identity"
	"nubo/internal/auth"
	"nubo/internal/fault"
	"nubo/internal/httpx"
)

// Verifier checks what an OpenID provider says of a user.
type Verifier interface {
	// Token checks an access or identity token of the provider's and gives
	// what it says. A bad one is a fault Unauthorized.
	Token(ctx context.Context, idp *identity.IdentityProvider, token string) (identity.Assertion, error)
	// Begin gives the provider's address at which a user signs in, and what
	// the browser has to keep until he comes back to callback.
	Begin(ctx context.Context, idp *identity.IdentityProvider, callback, origin string) (url, state string, err error)
	// Finish checks what the user came back with, and gives where he wanted
	// to go.
	Finish(ctx context.Context, idp *identity.IdentityProvider, callback, state, returned, code string) (a identity.Assertion, origin string, err error)
}

const federation = "/OS-FEDERATION"

func providerView(r *http.Request, p *identity.IdentityProvider) object {
	remote := p.RemoteIDs
	if remote == nil {
		remote = []string{}
	}
	path := federation + "/identity_providers/" + p.ID
	return object{
		"id": p.ID, "enabled": p.Enabled, "description": nullable(p.Description), "domain_id": p.DomainID, "remote_ids": remote,
		"authorization_ttl": p.AuthorizationTTL, "links": object{"self": self(r, path)["self"], "protocols": self(r, path+"/protocols")["self"]},
	}
}

type providerIn struct {
	DomainID         *string `json:"domain_id"`
	Enabled          *bool
	Description      *string
	AuthorizationTTL json.RawMessage `json:"authorization_ttl"` // null is something else than nothing
	RemoteIDs        *[]string       `json:"remote_ids"`
}

func (in *providerIn) apply(p *identity.IdentityProvider) {
	set(&p.Enabled, in.Enabled)
	set(&p.Description, in.Description)
	set(&p.RemoteIDs, in.RemoteIDs)
	if len(in.AuthorizationTTL) > 0 {
		var minutes *float64                          // 10.0 is an integer, too
		json.Unmarshal(in.AuthorizationTTL, &minutes) //nolint:errcheck // the schema let a number or null pass
		p.AuthorizationTTL = nil
		if minutes != nil {
			n := int(*minutes)
			p.AuthorizationTTL = &n
		}
	}
}

func (h *handler) listProviders(w http.ResponseWriter, r *http.Request) error {
	return listTable(w, r, h.store.IdentityProviders(), "identity_providers", httpx.FilterSpec{"id": httpx.Text, "enabled": httpx.Bool}, providerView)
}

func (h *handler) createProvider(w http.ResponseWriter, r *http.Request) error {
	var in struct {
		P providerIn `json:"identity_provider"`
	}
	if err := httpx.Decode(r, &in); err != nil {
		return err
	}
	p := &identity.IdentityProvider{ID: httpx.Param(r, "idp_id")}
	set(&p.DomainID, in.P.DomainID)
	in.P.apply(p)
	if err := validID(p.ID); err != nil {
		return err
	}
	if err := h.svc.CreateIdentityProvider(r.Context(), p); err != nil {
		return err
	}
	return show(w, r, http.StatusCreated, "identity_provider", p, providerView)
}

// validID refuses ids of the client's choice that could not be kept.
func validID(id string) error {
	if len(id) > 64 {
		return fault.Invalidf("Invalid input for field 'id': '%s' is too long", id)
	}
	return nil
}

func (h *handler) updateProvider(w http.ResponseWriter, r *http.Request) error {
	var in struct {
		P providerIn `json:"identity_provider"`
	}
	if err := httpx.Decode(r, &in); err != nil {
		return err
	}
	p, err := h.svc.UpdateIdentityProvider(r.Context(), httpx.Param(r, "idp_id"), in.P.apply)
	if err != nil {
		return err
	}
	return show(w, r, http.StatusOK, "identity_provider", p, providerView)
}

func mappingView(r *http.Request, m *identity.Mapping) object {
	return object{"id": m.ID, "rules": m.Rules, "schema_version": m.SchemaVersion, "links": self(r, federation+"/mappings/"+m.ID)}
}

type mappingIn struct {
	Rules         *[]any
	SchemaVersion *string `json:"schema_version"`
}

func (in *mappingIn) apply(m *identity.Mapping) {
	set(&m.Rules, in.Rules)
	set(&m.SchemaVersion, in.SchemaVersion)
}

func (h *handler) listMappings(w http.ResponseWriter, r *http.Request) error {
	return listTable(w, r, h.store.Mappings(), "mappings", httpx.FilterSpec{}, mappingView)
}

func (h *handler) createMapping(w http.ResponseWriter, r *http.Request) error {
	var in struct{ Mapping mappingIn }
	if err := httpx.Decode(r, &in); err != nil {
		return err
	}
	m := &identity.Mapping{ID: httpx.Param(r, "mapping_id"), SchemaVersion: "1.0"}
	in.Mapping.apply(m)
	if err := validID(m.ID); err != nil {
		return err
	}
	if err := h.svc.CreateMapping(r.Context(), m); err != nil {
		return err
	}
	return show(w, r, http.StatusCreated, "mapping", m, mappingView)
}

func (h *handler) updateMapping(w http.ResponseWriter, r *http.Request) error {
	var in struct{ Mapping mappingIn }
	if err := httpx.Decode(r, &in); err != nil {
		return err
	}
	m, err := h.svc.UpdateMapping(r.Context(), httpx.Param(r, "mapping_id"), in.Mapping.apply)
	if err != nil {
		return err
	}
	return show(w, r, http.StatusOK, "mapping", m, mappingView)
}

func protocolView(r *http.Request, p *identity.Protocol) object {
	idp := federation + "/identity_providers/" + p.ProviderID
	return object{
		"id": p.ID, "mapping_id": p.MappingID, "remote_id_attribute": nullable(p.RemoteIDAttribute),
		"links": object{"self": self(r, idp+"/protocols/"+p.ID)["self"], "identity_provider": self(r, idp)["self"]},
	}
}

type protocolIn struct {
	MappingID         *string `json:"mapping_id"`
	RemoteIDAttribute *string `json:"remote_id_attribute"`
}

func (in *protocolIn) apply(p *identity.Protocol) {
	set(&p.MappingID, in.MappingID)
	set(&p.RemoteIDAttribute, in.RemoteIDAttribute)
}

func (h *handler) listProtocols(w http.ResponseWriter, r *http.Request) error {
	id := httpx.Param(r, "idp_id")
	if _, err := h.store.IdentityProviders().Get(r.Context(), id); err != nil {
		return err
	}
	items, err := h.store.Protocols(r.Context(), id)
	if err != nil {
		return err
	}
	return list(w, r, "protocols", items, protocolView)
}

func (h *handler) createProtocol(w http.ResponseWriter, r *http.Request) error {
	var in struct{ Protocol protocolIn }
	if err := httpx.Decode(r, &in); err != nil {
		return err
	}
	p := &identity.Protocol{ID: httpx.Param(r, "protocol_id"), ProviderID: httpx.Param(r, "idp_id")}
	in.Protocol.apply(p)
	if err := validID(p.ID); err != nil {
		return err
	}
	if err := h.svc.CreateProtocol(r.Context(), p); err != nil {
		return err
	}
	return show(w, r, http.StatusCreated, "protocol", p, protocolView)
}

func (h *handler) showProtocol(w http.ResponseWriter, r *http.Request) error {
	p, err := h.store.Protocol(r.Context(), httpx.Param(r, "idp_id"), httpx.Param(r, "protocol_id"))
	if err != nil {
		return err
	}
	return show(w, r, http.StatusOK, "protocol", p, protocolView)
}

func (h *handler) updateProtocol(w http.ResponseWriter, r *http.Request) error {
	var in struct{ Protocol protocolIn }
	if err := httpx.Decode(r, &in); err != nil {
		return err
	}
	p, err := h.svc.UpdateProtocol(r.Context(), httpx.Param(r, "idp_id"), httpx.Param(r, "protocol_id"), in.Protocol.apply)
	if err != nil {
		return err
	}
	return show(w, r, http.StatusOK, "protocol", p, protocolView)
}

func (h *handler) deleteProtocol(w http.ResponseWriter, r *http.Request) error {
	return done(w, h.svc.DeleteProtocol(r.Context(), httpx.Param(r, "idp_id"), httpx.Param(r, "protocol_id")))
}

func serviceProviderView(r *http.Request, p *identity.ServiceProvider) object {
	return object{
		"id": p.ID, "auth_url": p.AuthURL, "sp_url": p.SPURL, "description": nullable(p.Description), "enabled": p.Enabled,
		"relay_state_prefix": p.RelayStatePrefix, "links": self(r, federation+"/service_providers/"+p.ID),
	}
}

type serviceProviderIn struct {
	AuthURL          *string `json:"auth_url"`
	SPURL            *string `json:"sp_url"`
	Description      *string
	Enabled          *bool
	RelayStatePrefix *string `json:"relay_state_prefix"`
}

func (in *serviceProviderIn) apply(p *identity.ServiceProvider) {
	set(&p.AuthURL, in.AuthURL)
	set(&p.SPURL, in.SPURL)
	set(&p.Description, in.Description)
	set(&p.Enabled, in.Enabled)
	set(&p.RelayStatePrefix, in.RelayStatePrefix)
}

func (h *handler) listServiceProviders(w http.ResponseWriter, r *http.Request) error {
	return listTable(w, r, h.store.ServiceProviders(), "service_providers", httpx.FilterSpec{"id": httpx.Text, "enabled": httpx.Bool}, serviceProviderView)
}

func (h *handler) createServiceProvider(w http.ResponseWriter, r *http.Request) error {
	var in struct {
		P serviceProviderIn `json:"service_provider"`
	}
	if err := httpx.Decode(r, &in); err != nil {
		return err
	}
	p := &identity.ServiceProvider{ID: httpx.Param(r, "sp_id"), RelayStatePrefix: "ss:mem:"}
	in.P.apply(p)
	if err := validID(p.ID); err != nil {
		return err
	}
	if err := h.svc.CreateServiceProvider(r.Context(), p); err != nil {
		return err
	}
	return show(w, r, http.StatusCreated, "service_provider", p, serviceProviderView)
}

func (h *handler) updateServiceProvider(w http.ResponseWriter, r *http.Request) error {
	var in struct {
		P serviceProviderIn `json:"service_provider"`
	}
	if err := httpx.Decode(r, &in); err != nil {
		return err
	}
	p, err := h.svc.UpdateServiceProvider(r.Context(), httpx.Param(r, "sp_id"), in.P.apply)
	if err != nil {
		return err
	}
	return show(w, r, http.StatusOK, "service_provider", p, serviceProviderView)
}

// provider gives the provider and the protocol that a sign-in names. Without
// a verifier there is nobody who could check what they say.
func (h *handler) provider(r *http.Request) (*identity.IdentityProvider, *identity.Protocol, error) {
	ctx, id := r.Context(), httpx.Param(r, "idp_id")
	idp, err := h.store.IdentityProviders().Get(ctx, id)
	if err != nil {
		return nil, nil, err
	}
	p, err := h.store.Protocol(ctx, id, httpx.Param(r, "protocol_id"))
	if err == nil && h.verifier == nil {
		err = fault.NotFoundf("Could not find federation protocol: %s.", p.ID)
	}
	return idp, p, err
}

// federatedSignIn gives a token without scope for a token of the provider's.
func (h *handler) federatedSignIn(w http.ResponseWriter, r *http.Request) error {
	idp, p, err := h.provider(r)
	if err != nil {
		return err
	}
	bearer, ok := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer ")
	if !ok || bearer == "" {
		return errUnauthorized
	}
	a, err := h.verifier.Token(r.Context(), idp, bearer)
	if err != nil {
		return err
	}
	t, err := h.svc.SignInFederated(r.Context(), idp, p, a)
	if err != nil {
		return err
	}
	return h.answerToken(w, r, http.StatusCreated, t)
}

// actorsOf lists by which ids the caller's token gets roles: the user's, and
// those of the groups his identity provider puts him into.
func (h *handler) actorsOf(r *http.Request) ([]string, error) {
	actors, err := h.svc.Actors(r.Context(), auth.From(r.Context()).UserID)
	if err != nil {
		return nil, err
	}
	t, err := h.caller(r)
	if err != nil {
		return nil, err
	}
	return append(actors, t.Federation.Groups...), nil
}
