package api

import (
	"net/http"
	"slices"
	"strconv"

	"nubo/image"
	"nubo/internal/fault"
	"nubo/internal/httpx"
)

var memberStatuses = []string{"pending", "accepted", "rejected"}

func itoa(n int64) string { return strconv.FormatInt(n, 10) }

func memberView(m *image.Member) object {
	return object{
		"image_id": m.ImageID, "member_id": m.MemberID, "status": m.Status, "created_at": stamp(m.CreatedAt), "updated_at": stamp(m.UpdatedAt),
		"schema": "/v2/schemas/member",
	}
}

func (h *handler) listMembers(w http.ResponseWriter, r *http.Request) error {
	items, err := h.svc.Members(r.Context(), httpx.Param(r, "image_id"))
	if err != nil {
		return err
	}
	out := make([]object, len(items))
	for i := range items {
		out[i] = memberView(&items[i])
	}
	return httpx.JSON(w, http.StatusOK, object{"members": out, "schema": "/v2/schemas/members"})
}

func (h *handler) addMember(w http.ResponseWriter, r *http.Request) error {
	var in struct{ Member string }
	if err := httpx.Decode(r, &in); err != nil {
		return err
	}
	if in.Member == "" || len(in.Member) > 64 {
		return fault.Invalidf("Expected a member in the form: {\"member\": \"image_id\"}")
	}
	m, err := h.svc.Share(r.Context(), httpx.Param(r, "image_id"), in.Member)
	if err != nil {
		return err
	}
	return httpx.JSON(w, http.StatusOK, memberView(m))
}

func (h *handler) showMember(w http.ResponseWriter, r *http.Request) error {
	m, err := h.svc.Member(r.Context(), httpx.Param(r, "image_id"), httpx.Param(r, "member_id"))
	if err != nil {
		return err
	}
	return httpx.JSON(w, http.StatusOK, memberView(m))
}

func (h *handler) updateMember(w http.ResponseWriter, r *http.Request) error {
	var in struct{ Status string }
	if err := httpx.Decode(r, &in); err != nil {
		return err
	}
	if !slices.Contains(memberStatuses, in.Status) {
		return fault.Invalidf("Expected a status in the form: {\"status\": \"status\"}")
	}
	m, err := h.svc.Answer(r.Context(), httpx.Param(r, "image_id"), httpx.Param(r, "member_id"), in.Status)
	if err != nil {
		return err
	}
	return httpx.JSON(w, http.StatusOK, memberView(m))
}

func (h *handler) removeMember(w http.ResponseWriter, r *http.Request) error {
	if err := h.svc.Unshare(r.Context(), httpx.Param(r, "image_id"), httpx.Param(r, "member_id")); err != nil {
		return err
	}
	return httpx.NoContent(w, http.StatusNoContent)
}
