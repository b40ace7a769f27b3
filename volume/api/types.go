package api

import (
	"encoding/json"
	"maps"
	"net/http"
	"strings"

	"nubo/internal/db"
	"nubo/internal/fault"
	"nubo/internal/httpx"
	"nubo/volume"
)

// userVisible are the extra specs that say what a user gets; the others tell
// of the back ends.
var userVisible = map[string]bool{"RESKEY:availability_zones": true, "multiattach": true, "replication_enabled": true}

// extraSpecs are those of a type that the caller may see.
func extraSpecs(r *http.Request, t *volume.Type) map[string]string {
	out := map[string]string{}
	sensitive := allowed(r, "volume_extension:types_extra_specs:read_sensitive")
	for k, v := range t.ExtraSpecs {
		if sensitive || userVisible[k] {
			out[k] = v
		}
	}
	return out
}

func viewType(r *http.Request, t *volume.Type) map[string]any {
	out := map[string]any{
		"id": t.ID, "name": t.Name, "description": orNil(t.Description), "is_public": t.Public, "os-volume-type-access:is_public": t.Public,
	}
	if allowed(r, "volume_extension:access_types_extra_specs") {
		out["extra_specs"] = extraSpecs(r, t)
	}
	if allowed(r, "volume_extension:access_types_qos_specs_id") {
		out["qos_specs_id"] = nil
	}
	return out
}

func answerType(w http.ResponseWriter, r *http.Request, t *volume.Type, err error) error {
	if err != nil {
		return err
	}
	return httpx.JSON(w, http.StatusOK, map[string]any{"volume_type": viewType(r, t)})
}

var typeSort = httpx.PageSpec{
	Sort:    map[string]string{"id": "id", "name": "name", "created_at": "created_at", "is_public": "public"},
	Default: []db.SortKey{{Column: "created_at", Desc: true}},
}

func (h *handler) listTypes(w http.ResponseWriter, r *http.Request) error {
	p, err := httpx.ParsePage(r, typeSort)
	if err != nil {
		return err
	}
	f, err := httpx.ParseFilters(r, httpx.FilterSpec{"name": httpx.Text})
	if err != nil {
		return err
	}
	// Private types are for administrators only; "None" asks for both kinds.
	if s := r.URL.Query().Get("is_public"); s != "" && !strings.EqualFold(s, "none") {
		v, err := httpx.Bool(s)
		if err != nil {
			return fault.Invalidf("Invalid is_public filter [%s]", s)
		}
		f = append(f, db.Filter{Column: "is_public", Values: []any{v}})
	}
	rows, err := h.svc.Types(r.Context(), p, f)
	if err != nil {
		return marker(err, p, "Volume type")
	}
	views := make([]any, len(rows))
	for i := range rows {
		views[i] = viewType(r, &rows[i])
	}
	out := map[string]any{"volume_types": views}
	if len(rows) > 0 {
		withNext(out, "volume_type", httpx.NextLink(r, p, len(rows), rows[len(rows)-1].ID))
	}
	return httpx.JSON(w, http.StatusOK, out)
}

func (h *handler) showType(w http.ResponseWriter, r *http.Request) error {
	t, err := h.svc.Type(r.Context(), httpx.Param(r, "type_id"))
	return answerType(w, r, t, err)
}

func (h *handler) showDefaultType(w http.ResponseWriter, r *http.Request) error {
	t, err := h.svc.DefaultType(r.Context())
	return answerType(w, r, t, err)
}

func (h *handler) createType(w http.ResponseWriter, r *http.Request) error {
	var in struct {
		Type struct {
			Name        string             `json:"name"`
			Description *string            `json:"description"`
			Public      *httpx.LenientBool `json:"os-volume-type-access:is_public"`
			ExtraSpecs  httpx.Texts        `json:"extra_specs"`
		} `json:"volume_type"`
	}
	if err := httpx.Decode(r, &in); err != nil {
		return err
	}
	t := &volume.Type{
		Name: strings.TrimSpace(in.Type.Name), Description: httpx.Deref(in.Type.Description), ExtraSpecs: in.Type.ExtraSpecs,
		Public: in.Type.Public == nil || bool(*in.Type.Public),
	}
	return answerType(w, r, t, h.svc.CreateType(r.Context(), t))
}

func (h *handler) updateType(w http.ResponseWriter, r *http.Request) error {
	var in struct {
		Type struct {
			Name        *string            `json:"name"`
			Description *string            `json:"description"`
			Public      *httpx.LenientBool `json:"is_public"`
		} `json:"volume_type"`
	}
	if err := httpx.Decode(r, &in); err != nil {
		return err
	}
	if in.Type.Name == nil && in.Type.Description == nil && in.Type.Public == nil {
		return fault.Invalidf("Specify volume type name, description, is_public or a combination thereof.")
	}
	t, err := h.svc.ChangeType(r.Context(), httpx.Param(r, "type_id"), func(t *volume.Type) error {
		if in.Type.Name != nil {
			t.Name = strings.TrimSpace(*in.Type.Name)
		}
		if in.Type.Description != nil {
			t.Description = *in.Type.Description
		}
		if in.Type.Public != nil {
			t.Public = bool(*in.Type.Public)
		}
		return nil
	})
	return answerType(w, r, t, err)
}

func (h *handler) deleteType(w http.ResponseWriter, r *http.Request) error {
	if err := h.svc.DeleteType(r.Context(), httpx.Param(r, "type_id")); err != nil {
		return err
	}
	return httpx.NoContent(w, http.StatusAccepted)
}

func (h *handler) listExtraSpecs(w http.ResponseWriter, r *http.Request) error {
	t, err := h.svc.Type(r.Context(), httpx.Param(r, "type_id"))
	if err != nil {
		return err
	}
	return httpx.JSON(w, http.StatusOK, map[string]any{"extra_specs": extraSpecs(r, t)})
}

// setExtraSpecs adds the pairs to the path's type.
func (h *handler) setExtraSpecs(r *http.Request, specs map[string]string) error {
	_, err := h.svc.ChangeType(r.Context(), httpx.Param(r, "type_id"), func(t *volume.Type) error {
		if t.ExtraSpecs == nil {
			t.ExtraSpecs = map[string]string{}
		}
		maps.Copy(t.ExtraSpecs, specs)
		return nil
	})
	return err
}

func (h *handler) addExtraSpecs(w http.ResponseWriter, r *http.Request) error {
	var in struct {
		ExtraSpecs httpx.Texts `json:"extra_specs"`
	}
	if err := httpx.Decode(r, &in); err != nil {
		return err
	}
	if err := h.setExtraSpecs(r, in.ExtraSpecs); err != nil {
		return err
	}
	return httpx.JSON(w, http.StatusOK, map[string]any{"extra_specs": in.ExtraSpecs})
}

func noExtraSpec(t *volume.Type, key string) error {
	return fault.NotFoundf("Volume Type %s has no extra specs with key %s.", t.ID, key)
}

func (h *handler) showExtraSpec(w http.ResponseWriter, r *http.Request) error {
	t, err := h.svc.Type(r.Context(), httpx.Param(r, "type_id"))
	if err != nil {
		return err
	}
	key := httpx.Param(r, "key")
	value, ok := extraSpecs(r, t)[key]
	if !ok {
		return noExtraSpec(t, key)
	}
	return httpx.JSON(w, http.StatusOK, map[string]string{key: value})
}

func (h *handler) updateExtraSpec(w http.ResponseWriter, r *http.Request) error {
	raw, err := httpx.RawBody(r)
	if err != nil {
		return err
	}
	in, key := httpx.Texts{}, httpx.Param(r, "key")
	if err := json.Unmarshal(raw, &in); err != nil {
		return fault.Invalidf("Malformed request body").WithCause(err)
	}
	if _, ok := in[key]; !ok || len(in) != 1 {
		return fault.Invalidf("Request body and URI mismatch")
	}
	if err := h.setExtraSpecs(r, in); err != nil {
		return err
	}
	return httpx.JSON(w, http.StatusOK, in)
}

func (h *handler) deleteExtraSpec(w http.ResponseWriter, r *http.Request) error {
	key := httpx.Param(r, "key")
	_, err := h.svc.ChangeType(r.Context(), httpx.Param(r, "type_id"), func(t *volume.Type) error {
		if _, ok := t.ExtraSpecs[key]; !ok {
			return noExtraSpec(t, key)
		}
		delete(t.ExtraSpecs, key)
		return nil
	})
	if err != nil {
		return err
	}
	return httpx.NoContent(w, http.StatusAccepted)
}
