package api

import (
	"net/http"
	"strings"
	"time"

	"nubo/internal/fault"
	"nubo/internal/httpx"
	"nubo/placement"
)

func (h *handler) listTraits(w http.ResponseWriter, r *http.Request) error {
	q, err := query(r, "name", "associated")
	if err != nil {
		return err
	}
	var in placement.TraitQuery
	if q.Has("name") {
		op, value, ok := strings.Cut(q.Get("name"), ":")
		if !ok {
			return fault.Invalidf(`Badly formatted name parameter. Expected name query string parameter in form: `+
				`?name=[in|startswith]:[name1,name2|prefix]. Got: "%s"`, q.Get("name"))
		}
		switch op {
		case "in":
			in.Names = strings.Split(value, ",")
		case "startswith":
			in.Prefix = value
		}
	}
	if q.Has("associated") {
		switch strings.ToLower(q.Get("associated")) {
		case "true":
			in.Associated = new(bool)
			*in.Associated = true
		case "false":
			in.Associated = new(bool)
		default:
			return fault.Invalidf(`The query parameter "associated" only accepts "true" or "false"`)
		}
	}
	list, err := h.svc.ListTraits(r.Context(), in)
	if err != nil {
		return err
	}
	fresh(w, r, time.Time{})
	return httpx.JSON(w, http.StatusOK, object{"traits": list})
}

func (h *handler) showTrait(w http.ResponseWriter, r *http.Request) error {
	if err := h.svc.Trait(r.Context(), httpx.Param(r, "name")); err != nil {
		return err
	}
	fresh(w, r, time.Time{})
	return httpx.NoContent(w, http.StatusNoContent)
}

func (h *handler) updateTrait(w http.ResponseWriter, r *http.Request) error {
	name := httpx.Param(r, "name")
	if !placement.IsCustomName(name) {
		return fault.Invalidf(`The trait is invalid. A valid trait must be no longer than 255 characters, start with the prefix "CUSTOM_" ` +
			`and use following characters: "A"-"Z", "0"-"9" and "_"`)
	}
	isNew, err := h.svc.EnsureTrait(r.Context(), name)
	if err != nil {
		return err
	}
	w.Header().Set("Location", httpx.SelfURL(r))
	fresh(w, r, time.Time{})
	return created(w, isNew)
}

// created answers a PUT that makes something exist.
func created(w http.ResponseWriter, isNew bool) error {
	if isNew {
		return httpx.NoContent(w, http.StatusCreated)
	}
	return httpx.NoContent(w, http.StatusNoContent)
}

func (h *handler) deleteTrait(w http.ResponseWriter, r *http.Request) error {
	if err := h.svc.DeleteTrait(r.Context(), httpx.Param(r, "name")); err != nil {
		return err
	}
	return httpx.NoContent(w, http.StatusNoContent)
}

func sendTraits(w http.ResponseWriter, r *http.Request, p *placement.Provider, traits []string) error {
	fresh(w, r, p.UpdatedAt)
	return httpx.JSON(w, http.StatusOK, object{"traits": traits, "resource_provider_generation": p.Generation})
}

func (h *handler) providerTraits(w http.ResponseWriter, r *http.Request) error {
	p, traits, err := h.svc.Traits(r.Context(), provider(r))
	if err != nil {
		return err
	}
	return sendTraits(w, r, p, traits)
}

func (h *handler) updateTraits(w http.ResponseWriter, r *http.Request) error {
	var in struct {
		Traits     []string `json:"traits"`
		Generation int64    `json:"resource_provider_generation"`
	}
	if err := httpx.Decode(r, &in); err != nil {
		return err
	}
	p, err := h.svc.SetTraits(r.Context(), provider(r), &in.Generation, in.Traits)
	if err != nil {
		return err
	}
	return sendTraits(w, r, p, in.Traits)
}

func (h *handler) deleteTraits(w http.ResponseWriter, r *http.Request) error {
	if _, err := h.svc.SetTraits(r.Context(), provider(r), nil, nil); err != nil {
		return err
	}
	return httpx.NoContent(w, http.StatusNoContent)
}
