package api

import (
	"net/http"
	"time"

	"nubo/internal/fault"
	"nubo/internal/httpx"
	"nubo/placement"
)

func viewClass(name string) object {
	return object{"name": name, "links": []object{{"rel": "self", "href": "/resource_classes/" + name}}}
}

func (h *handler) listClasses(w http.ResponseWriter, r *http.Request) error {
	names, err := h.svc.Classes(r.Context())
	if err != nil {
		return err
	}
	views := make([]object, len(names))
	for i, name := range names {
		views[i] = viewClass(name)
	}
	fresh(w, r, time.Time{})
	return httpx.JSON(w, http.StatusOK, object{"resource_classes": views})
}

func (h *handler) showClass(w http.ResponseWriter, r *http.Request) error {
	name := httpx.Param(r, "name")
	if err := h.svc.Class(r.Context(), name); err != nil {
		return err
	}
	fresh(w, r, time.Time{})
	return httpx.JSON(w, http.StatusOK, viewClass(name))
}

type className struct {
	Name string `json:"name"`
}

func (h *handler) createClass(w http.ResponseWriter, r *http.Request) error {
	var in className
	if err := httpx.Decode(r, &in); err != nil {
		return err
	}
	if err := h.svc.CreateClass(r.Context(), in.Name); err != nil {
		return err
	}
	w.Header().Set("Location", httpx.SelfURL(r)+"/"+in.Name)
	return httpx.NoContent(w, http.StatusCreated)
}

// updateClass makes a class exist.
func (h *handler) updateClass(w http.ResponseWriter, r *http.Request) error {
	name := httpx.Param(r, "name")
	if !placement.IsCustomName(name) {
		return fault.Invalidf("JSON does not validate: '%s' does not match '^CUSTOM_[A-Z0-9_]+$'", name)
	}
	isNew, err := h.svc.EnsureClass(r.Context(), name)
	if err != nil {
		return err
	}
	w.Header().Set("Location", httpx.SelfURL(r))
	return created(w, isNew)
}

// renameClass is what PUT did up to 1.6.
func (h *handler) renameClass(w http.ResponseWriter, r *http.Request) error {
	var in className
	if err := httpx.Decode(r, &in); err != nil {
		return err
	}
	if err := h.svc.RenameClass(r.Context(), httpx.Param(r, "name"), in.Name); err != nil {
		return err
	}
	return httpx.JSON(w, http.StatusOK, viewClass(in.Name))
}

func (h *handler) deleteClass(w http.ResponseWriter, r *http.Request) error {
	if err := h.svc.DeleteClass(r.Context(), httpx.Param(r, "name")); err != nil {
		return err
	}
	return httpx.NoContent(w, http.StatusNoContent)
}
