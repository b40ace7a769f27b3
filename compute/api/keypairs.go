package api

import (
	"net/http"

	"nubo/compute"
	"nubo/internal/db"
	"nubo/internal/fault"
	"nubo/internal/httpx"
	"nubo/internal/policy"
)

var keyPairPage = httpx.PageSpec{Default: []db.SortKey{{Column: "name"}}}

// ownTarget is what belongs to the caller's project and himself.
func ownTarget(r *http.Request) policy.Target {
	c := caller(r)
	return policy.Target{"project_id": c.ProjectID, "user_id": c.UserID}
}

// keyUser is whose keys are meant: the caller's, or, from 2.10 on, another
// user's, whom the query names.
func keyUser(r *http.Request) string {
	if id := r.URL.Query().Get("user_id"); id != "" && since(r, 10) {
		return id
	}
	return caller(r).UserID
}

func keyOwner(r *http.Request) (policy.Target, error) {
	return policy.Target{"user_id": keyUser(r)}, nil
}

// newKey is the body of a create request.
type newKey struct {
	KeyPair struct {
		Name      string  `json:"name"`
		PublicKey *string `json:"public_key"`
		Type      string  `json:"type"`
		UserID    string  `json:"user_id"`
	} `json:"keypair"`
}

// newKeyOwner is whose key is to be made. What it cannot read is for the
// schema to refuse, after the rule.
func newKeyOwner(r *http.Request) (policy.Target, error) {
	var in newKey
	if httpx.Decode(r, &in) == nil && in.KeyPair.UserID != "" && since(r, 10) {
		return policy.Target{"user_id": in.KeyPair.UserID}, nil
	}
	return policy.Target{"user_id": caller(r).UserID}, nil
}

// viewKeyPair is what lists show; more is added by the others.
func viewKeyPair(r *http.Request, k *compute.KeyPair) map[string]any {
	v := map[string]any{"name": k.Name, "public_key": k.PublicKey, "fingerprint": k.Fingerprint}
	if since(r, 2) {
		v["type"] = k.Type
	}
	return v
}

func (h *handler) listKeyPairs(w http.ResponseWriter, r *http.Request) error {
	page := db.Page{}
	if since(r, 35) {
		var err error
		if page, err = httpx.ParsePage(r, keyPairPage); err != nil {
			return err
		}
	}
	page.Sort = keyPairPage.Default
	keys, err := h.svc.KeyPairs(r.Context(), keyUser(r), page)
	if err != nil {
		return httpx.MarkerError(err, page.Marker)
	}
	views, next := make([]any, len(keys)), ""
	for i, k := range keys {
		views[i] = map[string]any{"keypair": viewKeyPair(r, k)}
		next = httpx.NextLink(r, page, len(keys), k.Name)
	}
	return httpx.JSON(w, http.StatusOK, withNext(map[string]any{"keypairs": views}, "keypairs", next))
}

func (h *handler) createKeyPair(w http.ResponseWriter, r *http.Request) error {
	var in newKey
	if err := httpx.Decode(r, &in); err != nil {
		return err
	}
	user := caller(r).UserID
	if in.KeyPair.UserID != "" {
		user = in.KeyPair.UserID
	}
	if in.KeyPair.Type == "x509" {
		return fault.Invalidf("Keypairs of type x509 are not supported.")
	}
	var k *compute.KeyPair
	var err error
	if in.KeyPair.PublicKey != nil {
		k, err = h.svc.ImportKeyPair(r.Context(), user, in.KeyPair.Name, *in.KeyPair.PublicKey)
	} else {
		k, err = h.svc.GenerateKeyPair(r.Context(), user, in.KeyPair.Name)
	}
	if err != nil {
		return err
	}
	v := viewKeyPair(r, k)
	v["user_id"] = k.UserID
	if k.PrivateKey != "" {
		v["private_key"] = k.PrivateKey
	}
	status := http.StatusOK
	if since(r, 2) {
		status = http.StatusCreated
	}
	return httpx.JSON(w, status, map[string]any{"keypair": v})
}

func (h *handler) showKeyPair(w http.ResponseWriter, r *http.Request) error {
	k, err := h.svc.KeyPair(r.Context(), keyUser(r), httpx.Param(r, "name"))
	if err != nil {
		return err
	}
	v := viewKeyPair(r, k)
	v["user_id"], v["id"], v["deleted"], v["deleted_at"], v["updated_at"] = k.UserID, k.ID, false, nil, nil
	v["created_at"] = stamp(k.CreatedAt)
	return httpx.JSON(w, http.StatusOK, map[string]any{"keypair": v})
}

func (h *handler) deleteKeyPair(w http.ResponseWriter, r *http.Request) error {
	if err := h.svc.DeleteKeyPair(r.Context(), keyUser(r), httpx.Param(r, "name")); err != nil {
		return err
	}
	status := http.StatusAccepted
	if since(r, 2) {
		status = http.StatusNoContent
	}
	return httpx.NoContent(w, status)
}
