package api

import (
	"net/http"
	"time"

	"nubo/internal/db"
	"nubo/internal/fault"
	"nubo/internal/httpx"
	"nubo/volume"
)

// A message says why a volume is in error. nubo keeps the reason with the
// volume: a message has the volume's id and lives as long as its reason.

// messageLife is how long Cinder promises to keep a message.
const messageLife = 30 * 24 * time.Hour

func viewMessage(r *http.Request, v *volume.Volume) map[string]any {
	return map[string]any{
		"id": v.ID, "event_id": "VOLUME_VOLUME_001_001", "request_id": nil, "resource_type": "VOLUME", "resource_uuid": v.ID,
		"user_message": v.Problem, "message_level": "ERROR", "created_at": stamp(v.UpdatedAt), "guaranteed_until": stamp(v.UpdatedAt.Add(messageLife)),
		"links": links(r, "messages", v.ID),
	}
}

func (h *handler) listMessages(w http.ResponseWriter, r *http.Request) error {
	p, err := httpx.ParsePage(r, httpx.PageSpec{
		Sort:    map[string]string{"id": "id", "created_at": "updated_at"},
		Default: []db.SortKey{{Column: "updated_at", Desc: true}},
	})
	if err != nil {
		return err
	}
	f := []db.Filter{{Column: "problem", Op: db.NotEqual, Values: []any{""}}}
	if id := r.URL.Query().Get("resource_uuid"); id != "" && since(r, 5) {
		f = append(f, db.Filter{Column: "id", Values: []any{id}})
	}
	if f, err = onlyOwn(r, f); err != nil {
		return err
	}
	rows, err := h.svc.List(r.Context(), p, f)
	if err != nil {
		return marker(err, p, "message")
	}
	views := make([]any, len(rows))
	for i := range rows {
		views[i] = viewMessage(r, &rows[i])
	}
	out := map[string]any{"messages": views}
	if len(rows) > 0 {
		withNext(out, "messages", httpx.NextLink(r, p, len(rows), rows[len(rows)-1].ID))
	}
	return httpx.JSON(w, http.StatusOK, out)
}

func noMessage(r *http.Request) error {
	return fault.NotFoundf("message %s could not be found.", httpx.Param(r, "message_id"))
}

func (h *handler) showMessage(w http.ResponseWriter, r *http.Request) error {
	v, err := h.svc.Volume(r.Context(), httpx.Param(r, "message_id"))
	if fault.Is(err, fault.NotFound) || err == nil && v.Problem == "" {
		return noMessage(r)
	}
	if err != nil {
		return err
	}
	return httpx.JSON(w, http.StatusOK, map[string]any{"message": viewMessage(r, v)})
}

func (h *handler) deleteMessage(w http.ResponseWriter, r *http.Request) error {
	_, err := h.svc.Change(r.Context(), httpx.Param(r, "message_id"), func(v *volume.Volume) error {
		if v.Problem == "" {
			return noMessage(r)
		}
		v.Problem = ""
		return nil
	})
	if fault.Is(err, fault.NotFound) {
		return noMessage(r)
	}
	if err != nil {
		return err
	}
	return httpx.NoContent(w, http.StatusNoContent)
}
