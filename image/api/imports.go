package api

import (
	"maps"
	"net/http"

	"nubo/image"
	"nubo/internal/auth"
	"nubo/internal/db"
	"nubo/internal/fault"
	"nubo/internal/httpx"
	"nubo/internal/policy"
)

func (h *handler) importImage(w http.ResponseWriter, r *http.Request) error {
	var in struct {
		Method struct{ Name, URI string }
		Stores []string
		All    bool  `json:"all_stores"`
		Must   *bool `json:"all_stores_must_succeed"`
	}
	var raw map[string]any
	if err := httpx.Decode(r, &in); err != nil {
		return err
	}
	if err := httpx.Decode(r, &raw); err != nil {
		return err
	}
	if in.Method.Name == image.WebDownload && in.Method.URI == "" {
		return fault.Invalidf("'uri' is required for 'web-download' import method")
	}
	if in.Method.Name == image.CopyImage {
		target, err := h.target(r)
		if err != nil {
			return err
		}
		if err := httpx.Enforce(r.Context(), "copy_image", target); err != nil {
			return err
		}
	}
	_, err := h.svc.Import(r.Context(), httpx.Param(r, "image_id"), image.Import{
		Method: in.Method.Name, URI: in.Method.URI, Stores: in.Stores, AllStores: in.All, Lenient: in.Must != nil && !*in.Must,
	}, raw)
	if err != nil {
		return err
	}
	return httpx.NoContent(w, http.StatusAccepted)
}

func (h *handler) importInfo(w http.ResponseWriter, _ *http.Request) error {
	return httpx.JSON(w, http.StatusOK, object{"import-methods": object{
		"description": "Import methods available.", "type": "array", "value": h.svc.ImportMethods(),
	}})
}

// taskView is a task without what only one task shows.
func taskView(t *image.Task) object {
	v := object{
		"id": t.ID, "type": t.Type, "status": t.Status, "owner": t.Owner, "created_at": stamp(t.CreatedAt), "updated_at": stamp(t.UpdatedAt),
		"self": "/v2/tasks/" + t.ID, "schema": "/v2/schemas/task",
	}
	if t.ExpiresAt != nil {
		v["expires_at"] = stamp(*t.ExpiresAt)
	}
	return v
}

// inputOf is a task's input as the client gave it.
func inputOf(t *image.Task) object {
	in := object{}
	maps.Copy(in, t.Input)
	for _, own := range []string{"method", "uri", "hash", "lenient"} {
		delete(in, own)
	}
	return in
}

func taskDetail(t *image.Task) object {
	v := taskView(t)
	maps.Copy(v, object{
		"input": inputOf(t), "result": t.Result, "message": t.Message, "image_id": nullable(t.ImageID), "user_id": nullable(t.UserID), "request_id": nullable(t.RequestID),
	})
	return v
}

func (h *handler) imageTasks(w http.ResponseWriter, r *http.Request) error {
	list, err := h.svc.ImageTasks(r.Context(), httpx.Param(r, "image_id"))
	if err != nil {
		return err
	}
	out := make([]object, len(list))
	for k := range list {
		out[k] = taskDetail(&list[k])
	}
	return httpx.JSON(w, http.StatusOK, object{"tasks": out})
}

var taskFilters = httpx.FilterSpec{"type": httpx.Text, "status": httpx.Text}

var taskPaging = httpx.PageSpec{
	Sort:    map[string]string{"id": "id", "type": "type", "status": "status", "created_at": "created_at", "updated_at": "updated_at", "expires_at": "expires_at"},
	Default: []db.SortKey{{Column: "created_at", Desc: true}},
}

func (h *handler) listTasks(w http.ResponseWriter, r *http.Request) error {
	var q image.TaskQuery
	var err error
	if q.Page, err = parsePage(r, taskPaging); err != nil {
		return err
	}
	if q.Filters, err = httpx.ParseFilters(r, taskFilters); err != nil {
		return err
	}
	list, err := h.svc.Tasks(r.Context(), q)
	if err != nil {
		return httpx.MarkerError(err, q.Page.Marker)
	}
	out := make([]object, len(list))
	for k := range list {
		out[k] = taskView(&list[k])
	}
	answer := object{"tasks": out, "first": pageLink(r.URL, ""), "schema": "/v2/schemas/tasks"}
	if len(list) > 0 && len(list) == q.Page.Limit {
		answer["next"] = pageLink(r.URL, list[len(list)-1].ID)
	}
	return httpx.JSON(w, http.StatusOK, answer)
}

func (h *handler) showTask(w http.ResponseWriter, r *http.Request) error {
	t, err := h.svc.Task(r.Context(), httpx.Param(r, "task_id"))
	if err != nil {
		return err
	}
	return httpx.JSON(w, http.StatusOK, taskDetail(t))
}

// createTask is the old form of an import, which makes the image, too.
func (h *handler) createTask(w http.ResponseWriter, r *http.Request) error {
	var in struct {
		Input struct {
			From       string         `json:"import_from"`
			Format     string         `json:"import_from_format"`
			Properties map[string]any `json:"image_properties"`
		}
	}
	var raw struct{ Input map[string]any }
	if err := httpx.Decode(r, &in); err != nil {
		return err
	}
	if err := httpx.Decode(r, &raw); err != nil {
		return err
	}
	i := &image.Image{Owner: auth.From(r.Context()).ProjectID, Visibility: image.VisibilityShared, Properties: map[string]string{}}
	if err := h.setAll(r, i, in.Input.Properties); err != nil {
		return err
	}
	if err := httpx.Enforce(r.Context(), "add_image", policy.Target{"project_id": i.Owner, "owner": i.Owner}); err != nil {
		return err
	}
	t, err := h.svc.ImportNew(r.Context(), i, in.Input.From, raw.Input)
	if err != nil {
		return err
	}
	w.Header().Set("Location", httpx.BaseURL(r)+"/v2/tasks/"+t.ID)
	return httpx.JSON(w, http.StatusCreated, taskDetail(t))
}
