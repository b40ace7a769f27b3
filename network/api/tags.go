package api

import (
	"net/http"
	"slices"
	"strings"

	"nubo/internal/httpx"
	"nubo/network"
)

// tagRule names the rule for a verb on a collection's tags.
func tagRule(verb, collection string) string {
	return verb + "_" + strings.TrimSuffix(strings.ReplaceAll(collection, "-", "_"), "s") + ":tags"
}

// tagsBody checks {"tags": [TAG, …]}.
type tagsBody struct{}

// Validate implements httpx.Validator.
func (tagsBody) Validate(doc any, _ httpx.Version) error {
	_, err := readTags(doc)
	return err
}

func readTags(doc any) ([]string, error) {
	m, ok := doc.(map[string]any)
	if !ok || len(m) != 1 || m["tags"] == nil {
		return nil, bad("Invalid input for body. Reason: 'tags' is required.")
	}
	v, err := texts()(m["tags"])
	if err != nil {
		return nil, bad("Invalid input for tags. Reason: %s.", err)
	}
	return v.([]string), nil
}

// tagsOf loads a resource and enforces the rule about its tags.
func (k *kind[T]) tagsOf(r *http.Request, verb string) (id string, tags []string, err error) {
	ctx := r.Context()
	row, err := k.get(ctx, httpx.Param(r, "id"))
	if err != nil {
		return "", nil, err
	}
	b := any(row).(network.Resource).Std()
	if verb == "get" {
		return b.ID, b.Tags, nil // who may see it may see them
	}
	t, err := k.target(ctx, row)
	if err != nil {
		return "", nil, err
	}
	return b.ID, b.Tags, httpx.Enforce(ctx, tagRule(verb, k.res.plural), t)
}

func (k *kind[T]) listTags(w http.ResponseWriter, r *http.Request) error {
	_, tags, err := k.tagsOf(r, "get")
	if err != nil {
		return err
	}
	return httpx.JSON(w, http.StatusOK, map[string]any{"tags": orEmpty(tags)})
}

// changeTags answers with what change makes of a resource's tags.
func (k *kind[T]) changeTags(w http.ResponseWriter, r *http.Request, change func(had, given []string) []string) error {
	id, had, err := k.tagsOf(r, "update")
	if err != nil {
		return err
	}
	doc, err := document(r)
	if err != nil {
		return err
	}
	given, err := readTags(doc)
	if err != nil {
		return err
	}
	tags, err := k.setTags(r.Context(), id, change(had, given))
	if err != nil {
		return err
	}
	return httpx.JSON(w, http.StatusOK, map[string]any{"tags": orEmpty(tags)})
}

func (k *kind[T]) replaceTags(w http.ResponseWriter, r *http.Request) error {
	return k.changeTags(w, r, func(_, given []string) []string { return given })
}

func (k *kind[T]) addTags(w http.ResponseWriter, r *http.Request) error {
	return k.changeTags(w, r, func(had, given []string) []string { return append(slices.Clone(had), given...) })
}

func (k *kind[T]) removeTags(w http.ResponseWriter, r *http.Request) error {
	id, _, err := k.tagsOf(r, "delete")
	if err != nil {
		return err
	}
	if _, err := k.setTags(r.Context(), id, nil); err != nil {
		return err
	}
	return httpx.NoContent(w, http.StatusNoContent)
}

func (k *kind[T]) showTag(w http.ResponseWriter, r *http.Request) error {
	_, tags, err := k.tagsOf(r, "get")
	if err != nil {
		return err
	}
	if tag := httpx.Param(r, "tag"); !slices.Contains(tags, tag) {
		return network.TagNotFound(tag)
	}
	return httpx.NoContent(w, http.StatusNoContent)
}

func (k *kind[T]) addTag(w http.ResponseWriter, r *http.Request) error {
	id, tags, err := k.tagsOf(r, "update")
	if err != nil {
		return err
	}
	tag, err := text(255)(httpx.Param(r, "tag"))
	if err != nil {
		return bad("Invalid input for tag. Reason: %s.", err)
	}
	if _, err := k.setTags(r.Context(), id, append(slices.Clone(tags), tag.(string))); err != nil {
		return err
	}
	return httpx.NoContent(w, http.StatusCreated)
}

func (k *kind[T]) removeTag(w http.ResponseWriter, r *http.Request) error {
	id, tags, err := k.tagsOf(r, "delete")
	if err != nil {
		return err
	}
	tag := httpx.Param(r, "tag")
	if !slices.Contains(tags, tag) {
		return network.TagNotFound(tag)
	}
	rest := slices.DeleteFunc(slices.Clone(tags), func(t string) bool { return t == tag })
	if _, err := k.setTags(r.Context(), id, rest); err != nil {
		return err
	}
	return httpx.NoContent(w, http.StatusNoContent)
}
