package api

import (
	"encoding/json"
	"net/http"
	"slices"

	"nubo/identity"
	"nubo/internal/auth"
	"nubo/internal/db"
	"nubo/internal/fault"
	"nubo/internal/httpx"
	"nubo/internal/policy"
)

func credentialView(r *http.Request, c *identity.Credential) object {
	return object{
		"id": c.ID, "user_id": c.UserID, "project_id": nullable(c.ProjectID), "type": c.Type, "blob": c.Blob, "links": self(r, "/credentials/"+c.ID),
	}.with(c.Extra)
}

type credentialIn struct {
	UserID    *string `json:"user_id"`
	ProjectID *string `json:"project_id"`
	Type      *string
	Blob      *string
}

var credentialKeys = []string{"user_id", "project_id", "type", "blob"}

func (in *credentialIn) apply(c *identity.Credential, extra map[string]any) {
	set(&c.UserID, in.UserID)
	set(&c.ProjectID, in.ProjectID)
	set(&c.Type, in.Type)
	set(&c.Blob, in.Blob)
	c.Extra = merged(c.Extra, extra)
}

func (h *handler) createCredential(w http.ResponseWriter, r *http.Request) error {
	var in credentialIn
	extra, err := body(r, "credential", &in, credentialKeys...)
	if err != nil {
		return err
	}
	by, err := h.caller(r)
	if err != nil {
		return err
	}
	c := &identity.Credential{UserID: by.UserID}
	in.apply(c, extra)
	if err := h.svc.CreateCredential(r.Context(), by, c); err != nil {
		return err
	}
	return show(w, r, http.StatusCreated, "credential", c, credentialView)
}

// held opens those of a list that the caller's token reaches.
func (h *handler) held(r *http.Request, items []identity.Credential) ([]identity.Credential, error) {
	by, err := h.caller(r)
	if err != nil {
		return nil, err
	}
	items = slices.DeleteFunc(items, func(c identity.Credential) bool { return !by.Holds(c.ProjectID) })
	return items, h.svc.Unseal(items)
}

// heldCredential refuses a delegated token the credentials of others than its
// own project.
func (h *handler) heldCredential(r *http.Request) error {
	c, err := h.store.Credentials().Get(r.Context(), httpx.Param(r, "credential_id"))
	if err != nil {
		return err
	}
	by, err := h.caller(r)
	if err != nil {
		return err
	}
	return by.MayHold(c.ProjectID)
}

// heldKey is heldCredential for an EC2 key.
func (h *handler) heldKey(r *http.Request) error {
	c, err := h.svc.EC2(r.Context(), httpx.Param(r, "user_id"), httpx.Param(r, "access"))
	if err != nil {
		return err
	}
	by, err := h.caller(r)
	if err != nil {
		return err
	}
	return by.MayHold(c.ProjectID)
}

// listCredentials lists the caller's own; who may see all sees all.
func (h *handler) listCredentials(w http.ResponseWriter, r *http.Request) error {
	fixed := []db.Filter{}
	if !httpx.Allowed(r.Context(), "identity:get_credential", policy.Target{}) {
		fixed = append(fixed, equal("user_id", auth.From(r.Context()).UserID))
	}
	items, err := rows(r, h.store.Credentials(), httpx.FilterSpec{"user_id": httpx.Text, "type": httpx.Text}, fixed...)
	if err != nil {
		return err
	}
	if items, err = h.held(r, items); err != nil {
		return err
	}
	return list(w, r, "credentials", items, credentialView)
}

func (h *handler) updateCredential(w http.ResponseWriter, r *http.Request) error {
	var in credentialIn
	extra, err := body(r, "credential", &in, credentialKeys...)
	if err != nil {
		return err
	}
	if in.UserID != nil { // who may write for another
		if err := httpx.Enforce(r.Context(), "identity:update_credential", policy.Target{"target.credential.user_id": *in.UserID}); err != nil {
			return err
		}
	}
	by, err := h.caller(r)
	if err != nil {
		return err
	}
	c, err := h.svc.UpdateCredential(r.Context(), by, httpx.Param(r, "credential_id"), func(c *identity.Credential) { in.apply(c, extra) })
	if err != nil {
		return err
	}
	return show(w, r, http.StatusOK, "credential", c, credentialView)
}

func (h *handler) credentialTarget(r *http.Request) (policy.Target, error) {
	c, err := h.store.Credentials().Get(r.Context(), httpx.Param(r, "credential_id"))
	if err != nil {
		return hide(err)
	}
	return policy.Target{"target.credential.user_id": c.UserID}, nil
}

// newCredentialTarget is whose the new credential would be.
func (h *handler) newCredentialTarget(r *http.Request) (policy.Target, error) {
	var in struct{ Credential credentialIn }
	owner := auth.From(r.Context()).UserID
	if err := httpx.Decode(r, &in); err == nil {
		set(&owner, in.Credential.UserID)
	}
	return policy.Target{"target.credential.user_id": owner}, nil
}

// ec2View is an EC2 key as its own API shows it.
func ec2View(r *http.Request, c *identity.Credential) object {
	var blob identity.EC2Blob
	json.Unmarshal([]byte(c.Blob), &blob) //nolint:errcheck // what is no key shows as an empty one
	return object{
		"user_id": c.UserID, "tenant_id": c.ProjectID, "access": blob.Access, "secret": blob.Secret, "trust_id": nullable(blob.TrustID),
		"links": self(r, "/users/"+c.UserID+"/credentials/OS-EC2/"+blob.Access),
	}
}

func (h *handler) createEC2(w http.ResponseWriter, r *http.Request) error {
	var in struct {
		TenantID string `json:"tenant_id"`
	}
	if err := httpx.Decode(r, &in); err != nil {
		return err
	}
	by, err := h.caller(r)
	if err != nil {
		return err
	}
	user := httpx.Param(r, "user_id")
	if _, err := h.store.Users().Get(r.Context(), user); err != nil {
		return err
	}
	roles, err := h.svc.RolesOn(r.Context(), user, identity.Scope{ProjectID: in.TenantID})
	if err != nil {
		return err
	}
	if len(roles) == 0 {
		return fault.New(fault.Unauthorized, "The user has no role on the project.")
	}
	c, err := h.svc.CreateEC2(r.Context(), by, user, in.TenantID)
	if err != nil {
		return err
	}
	return show(w, r, http.StatusCreated, "credential", c, ec2View)
}

func (h *handler) listEC2(w http.ResponseWriter, r *http.Request) error {
	user := httpx.Param(r, "user_id")
	if _, err := h.store.Users().Get(r.Context(), user); err != nil {
		return err
	}
	items, err := rows(r, h.store.Credentials(), httpx.FilterSpec{}, equal("user_id", user), equal("type", identity.TypeEC2))
	if err != nil {
		return err
	}
	if items, err = h.held(r, items); err != nil {
		return err
	}
	return list(w, r, "credentials", items, ec2View)
}

func (h *handler) showEC2(w http.ResponseWriter, r *http.Request) error {
	c, err := h.svc.EC2(r.Context(), httpx.Param(r, "user_id"), httpx.Param(r, "access"))
	if err != nil {
		return err
	}
	return show(w, r, http.StatusOK, "credential", c, ec2View)
}

func (h *handler) deleteEC2(w http.ResponseWriter, r *http.Request) error {
	c, err := h.svc.EC2(r.Context(), httpx.Param(r, "user_id"), httpx.Param(r, "access"))
	if err != nil {
		return err
	}
	return done(w, h.svc.DeleteCredential(r.Context(), c.ID))
}

// ec2In is a signed request, as ec2tokens and s3tokens take it.
type ec2In struct {
	Access    string
	Signature string
	Host      string
	Verb      string
	Path      string
	Params    map[string]string
	Headers   map[string]string
	BodyHash  string `json:"body_hash"`
	Token     string
}

// signedToken gives a token for a request that an EC2 or S3 client signed.
func (h *handler) signedToken(s3 bool) httpx.Handler {
	return func(w http.ResponseWriter, r *http.Request) error {
		var in struct {
			Credentials *ec2In
			EC2         *ec2In `json:"ec2Credentials"`
		}
		if err := httpx.Decode(r, &in); err != nil {
			return err
		}
		c := in.Credentials
		if c == nil {
			c = in.EC2
		}
		if c == nil {
			return fault.Invalidf("Expecting to find credentials in request.")
		}
		t, err := h.svc.SignInEC2(r.Context(), identity.EC2Request{
			Access: c.Access, Signature: c.Signature, Host: c.Host, Verb: c.Verb, Path: c.Path,
			Params: c.Params, Headers: c.Headers, BodyHash: c.BodyHash, Token: c.Token,
		}, s3)
		if err != nil {
			return err
		}
		return h.answerToken(w, r, http.StatusOK, t)
	}
}
