package api

import (
	"maps"
	"net/http"
	"strings"
	"unicode/utf8"

	"nubo/image"
	"nubo/internal/auth"
	"nubo/internal/db"
	"nubo/internal/fault"
	"nubo/internal/httpx"
	"nubo/internal/policy"
)

// namespaceTarget is the namespace of the path. One that the caller may not
// see is not there.
func (h *handler) namespaceTarget(r *http.Request) (policy.Target, error) {
	n, err := h.svc.Namespace(r.Context(), namespaceOf(r))
	if err != nil {
		return nil, err
	}
	return policy.Target{"project_id": n.Owner, "owner": n.Owner, "visibility": n.Visibility}, nil
}

func namespaceOf(r *http.Request) string { return httpx.Param(r, "namespace_name") }

func namespacePath(name string) string { return "/v2/metadefs/namespaces/" + name }

func namespaceView(n *image.Namespace) object {
	return object{
		"namespace": n.Namespace, "display_name": n.DisplayName, "description": n.Description, "visibility": n.Visibility, "protected": n.Protected,
		"owner": n.Owner, "created_at": stamp(n.CreatedAt), "updated_at": stamp(n.UpdatedAt),
		"self": namespacePath(n.Namespace), "schema": "/v2/schemas/metadefs/namespace",
	}
}

var namespacePaging = httpx.PageSpec{
	Sort:    map[string]string{"namespace": "namespace", "created_at": "created_at", "updated_at": "updated_at"},
	Default: []db.SortKey{{Column: "created_at", Desc: true}},
}

func (h *handler) listNamespaces(w http.ResponseWriter, r *http.Request) error {
	var q image.NamespaceQuery
	var err error
	if q.Page, err = parsePage(r, namespacePaging); err != nil {
		return err
	}
	query := r.URL.Query()
	q.Visibility = query.Get("visibility")
	if types := query.Get("resource_types"); types != "" {
		q.ResourceTypes = strings.Split(types, ",")
	}
	list, err := h.svc.Namespaces(r.Context(), q)
	if err != nil {
		return httpx.MarkerError(err, q.Page.Marker)
	}
	types, err := h.svc.Associations(r.Context(), list)
	if err != nil {
		return err
	}
	out := make([]object, len(list))
	for k := range list {
		out[k] = namespaceView(&list[k])
		if views := associations.views("", types[list[k].ID]); len(views) > 0 {
			out[k]["resource_type_associations"] = views
		}
	}
	answer := object{"namespaces": out, "first": pageLink(r.URL, ""), "schema": "/v2/schemas/metadefs/namespaces"}
	if len(list) > 0 && len(list) == q.Page.Limit {
		answer["next"] = pageLink(r.URL, list[len(list)-1].Namespace)
	}
	return httpx.JSON(w, http.StatusOK, answer)
}

// namespaceBody is a namespace as clients send it.
type namespaceBody struct {
	Namespace   string
	DisplayName string `json:"display_name"`
	Description string
	Visibility  string
	Protected   bool
	Owner       string

	Properties map[string]map[string]any
	Objects    []map[string]any
	Tags       []map[string]any
	Types      []map[string]any `json:"resource_type_associations"`
}

func (in *namespaceBody) apply(n *image.Namespace, caller string) {
	n.Namespace, n.DisplayName, n.Description, n.Protected = in.Namespace, in.DisplayName, in.Description, in.Protected
	if n.Visibility = in.Visibility; n.Visibility == "" {
		n.Visibility = image.VisibilityPrivate
	}
	if n.Owner = in.Owner; n.Owner == "" {
		n.Owner = caller
	}
}

// items are the definitions that come with a new namespace.
func (in *namespaceBody) items() ([]image.Definition, error) {
	var out []image.Definition
	for name, body := range in.Properties {
		body["name"] = name
		if err := validName(name); err != nil {
			return nil, err
		}
		out = append(out, *properties.parse(body))
	}
	for k, list := range map[defKind][]map[string]any{objects.defKind: in.Objects, tags.defKind: in.Tags, associations.defKind: in.Types} {
		for _, body := range list {
			out = append(out, *k.parse(body))
		}
	}
	return out, nil
}

func (h *handler) createNamespace(w http.ResponseWriter, r *http.Request) error {
	var in namespaceBody
	if err := httpx.Decode(r, &in); err != nil {
		return err
	}
	items, err := in.items()
	if err != nil {
		return err
	}
	n := &image.Namespace{}
	in.apply(n, auth.From(r.Context()).ProjectID)
	if err := h.svc.CreateNamespace(r.Context(), n, items); err != nil {
		return err
	}
	w.Header().Set("Location", httpx.BaseURL(r)+namespacePath(n.Namespace))
	return h.answerNamespace(w, r, http.StatusCreated, n, "")
}

func (h *handler) showNamespace(w http.ResponseWriter, r *http.Request) error {
	n, err := h.svc.Namespace(r.Context(), namespaceOf(r))
	if err != nil {
		return err
	}
	return h.answerNamespace(w, r, http.StatusOK, n, r.URL.Query().Get("resource_type"))
}

// answerNamespace shows a namespace with all that is in it; the properties
// have the prefix that they have on a resource type, if one is asked for.
func (h *handler) answerNamespace(w http.ResponseWriter, r *http.Request, status int, n *image.Namespace, resourceType string) error {
	v := namespaceView(n)
	prefix := ""
	for _, k := range []defKindView{associations, objects, tags, properties} {
		list, err := h.svc.Definitions(r.Context(), n.Namespace, k.kind, db.Page{})
		if err != nil {
			return err
		}
		if k.kind == image.DefAssociation {
			prefix = prefixOf(list, resourceType)
		}
		switch {
		case len(list) == 0:
		case k.kind == image.DefProperty:
			v["properties"] = propertyViews(list, prefix)
		default:
			v[k.plural] = k.views(n.Namespace, list)
		}
	}
	return httpx.JSON(w, status, v)
}

// prefixOf is what stands before properties on a resource type.
func prefixOf(list []image.Definition, resourceType string) string {
	for _, d := range list {
		if d.Name == resourceType {
			prefix, _ := d.Body["prefix"].(string)
			return prefix
		}
	}
	return ""
}

func (h *handler) updateNamespace(w http.ResponseWriter, r *http.Request) error {
	var in namespaceBody
	if err := httpx.Decode(r, &in); err != nil {
		return err
	}
	caller := auth.From(r.Context()).ProjectID
	n, err := h.svc.UpdateNamespace(r.Context(), namespaceOf(r), func(n *image.Namespace) { in.apply(n, caller) })
	if err != nil {
		return err
	}
	return httpx.JSON(w, http.StatusOK, namespaceView(n))
}

func (h *handler) deleteNamespace(w http.ResponseWriter, r *http.Request) error {
	if err := h.svc.DeleteNamespace(r.Context(), namespaceOf(r)); err != nil {
		return err
	}
	return httpx.NoContent(w, http.StatusNoContent)
}

// defKind is a kind of definitions: objects, properties, tags, associations.
// All have the same handlers, as far as their documents are alike.
type defKind struct{ kind, param, plural string }

// defKindView is a kind with what its documents look like.
type defKindView struct {
	defKind
	view func(namespace string, d *image.Definition) object
}

var (
	objects      = defKindView{defKind{image.DefObject, "object_name", "objects"}, objectView}
	properties   = defKindView{defKind{image.DefProperty, "property_name", "properties"}, func(_ string, d *image.Definition) object { return propertyView(d, "") }}
	tags         = defKindView{defKind{image.DefTag, "tag_name", "tags"}, tagView}
	associations = defKindView{defKind{image.DefAssociation, "name", "resource_type_associations"}, associationView}
)

// times are in every document, and none of the client's business.
func times(d *image.Definition) object {
	return object{"created_at": stamp(d.CreatedAt), "updated_at": stamp(d.UpdatedAt)}
}

func objectView(namespace string, d *image.Definition) object {
	v := times(d)
	maps.Copy(v, d.Body)
	for key, empty := range map[string]any{"description": "", "required": []string{}, "properties": object{}} {
		if v[key] == nil {
			v[key] = empty
		}
	}
	v["name"], v["self"], v["schema"] = d.Name, namespacePath(namespace)+"/objects/"+d.Name, "/v2/schemas/metadefs/object"
	return v
}

func propertyView(d *image.Definition, prefix string) object {
	v := object{}
	maps.Copy(v, d.Body)
	v["name"] = prefix + d.Name
	return v
}

func propertyViews(list []image.Definition, prefix string) object {
	out := object{}
	for k := range list {
		v := propertyView(&list[k], prefix)
		delete(v, "name")
		out[prefix+list[k].Name] = v
	}
	return out
}

func tagView(_ string, d *image.Definition) object {
	v := times(d)
	v["name"] = d.Name
	return v
}

func associationView(_ string, d *image.Definition) object {
	v := times(d)
	maps.Copy(v, d.Body)
	v["name"] = d.Name
	return v
}

func (k defKindView) views(namespace string, list []image.Definition) []object {
	out := []object{}
	for i := range list {
		out = append(out, k.view(namespace, &list[i]))
	}
	return out
}

// parse makes a definition of a document that the schema has looked at.
func (k defKind) parse(body map[string]any) *image.Definition {
	d := &image.Definition{Kind: k.kind, Body: map[string]any{}}
	maps.Copy(d.Body, body)
	d.Name, _ = body["name"].(string)
	for _, own := range []string{"name", "created_at", "updated_at", "self", "schema"} {
		delete(d.Body, own)
	}
	return d
}

var defPaging = httpx.PageSpec{
	Sort: map[string]string{"name": "name", "created_at": "created_at", "updated_at": "updated_at"}, Default: []db.SortKey{{Column: "created_at", Desc: true}},
}

func (k defKindView) list(h *handler) httpx.Handler {
	return func(w http.ResponseWriter, r *http.Request) error {
		p, err := parsePage(r, defPaging)
		if err != nil {
			return err
		}
		list, err := h.svc.Definitions(r.Context(), namespaceOf(r), k.kind, p)
		if err != nil {
			return httpx.MarkerError(err, p.Marker)
		}
		answer := object{k.plural: k.views(namespaceOf(r), list), "first": pageLink(r.URL, ""), "schema": "/v2/schemas/metadefs/" + k.plural}
		if len(list) > 0 && len(list) == p.Limit {
			answer["next"] = pageLink(r.URL, list[len(list)-1].Name)
		}
		return httpx.JSON(w, http.StatusOK, answer)
	}
}

func (k defKindView) show(h *handler) httpx.Handler {
	return func(w http.ResponseWriter, r *http.Request) error {
		d, err := h.svc.Definition(r.Context(), namespaceOf(r), k.kind, httpx.Param(r, k.param))
		if err != nil {
			return err
		}
		return httpx.JSON(w, http.StatusOK, k.view(namespaceOf(r), d))
	}
}

func (k defKindView) create(h *handler) httpx.Handler {
	return func(w http.ResponseWriter, r *http.Request) error {
		var in map[string]any
		if err := httpx.Decode(r, &in); err != nil {
			return err
		}
		d := k.parse(in)
		if err := h.svc.Define(r.Context(), namespaceOf(r), d); err != nil {
			return err
		}
		w.Header().Set("Location", httpx.SelfURL(r)+"/"+d.Name)
		return httpx.JSON(w, http.StatusCreated, k.view(namespaceOf(r), d))
	}
}

func (k defKindView) update(h *handler) httpx.Handler {
	return func(w http.ResponseWriter, r *http.Request) error {
		var in map[string]any
		if err := httpx.Decode(r, &in); err != nil {
			return err
		}
		d := k.parse(in)
		if err := h.svc.Redefine(r.Context(), namespaceOf(r), httpx.Param(r, k.param), d); err != nil {
			return err
		}
		return httpx.JSON(w, http.StatusOK, k.view(namespaceOf(r), d))
	}
}

func (k defKindView) remove(h *handler) httpx.Handler {
	return func(w http.ResponseWriter, r *http.Request) error {
		if err := h.svc.Undefine(r.Context(), namespaceOf(r), k.kind, httpx.Param(r, k.param)); err != nil {
			return err
		}
		return httpx.NoContent(w, http.StatusNoContent)
	}
}

func (k defKindView) removeAll(h *handler) httpx.Handler {
	return func(w http.ResponseWriter, r *http.Request) error {
		if err := h.svc.Undefine(r.Context(), namespaceOf(r), k.kind, ""); err != nil {
			return err
		}
		return httpx.NoContent(w, http.StatusNoContent)
	}
}

func (h *handler) listProperties(w http.ResponseWriter, r *http.Request) error {
	list, err := h.svc.Definitions(r.Context(), namespaceOf(r), image.DefProperty, db.Page{})
	if err != nil {
		return err
	}
	return httpx.JSON(w, http.StatusOK, object{"properties": propertyViews(list, ""), "schema": "/v2/schemas/metadefs/properties"})
}

// showProperty finds a property also by the name it has on a resource type.
func (h *handler) showProperty(w http.ResponseWriter, r *http.Request) error {
	name, prefix := httpx.Param(r, "property_name"), ""
	if resourceType := r.URL.Query().Get("resource_type"); resourceType != "" {
		list, err := h.svc.Definitions(r.Context(), namespaceOf(r), image.DefAssociation, db.Page{})
		if err != nil {
			return err
		}
		prefix = prefixOf(list, resourceType)
		rest, ok := strings.CutPrefix(name, prefix)
		if !ok {
			return fault.NotFoundf("Property %s does not start with the expected resource type association prefix of '%s'.", name, prefix)
		}
		name = rest
	}
	d, err := h.svc.Definition(r.Context(), namespaceOf(r), image.DefProperty, name)
	if err != nil {
		return err
	}
	return httpx.JSON(w, http.StatusOK, propertyView(d, prefix))
}

func (h *handler) createTags(w http.ResponseWriter, r *http.Request) error {
	var in struct{ Tags []struct{ Name string } }
	if err := httpx.Decode(r, &in); err != nil {
		return err
	}
	var names []string
	out := []object{}
	for _, t := range in.Tags {
		names = append(names, t.Name)
		out = append(out, object{"name": t.Name})
	}
	add := strings.EqualFold(r.Header.Get("X-Openstack-Append"), "true")
	if err := h.svc.SetTags(r.Context(), namespaceOf(r), names, add); err != nil {
		return err
	}
	return httpx.JSON(w, http.StatusCreated, object{"tags": out})
}

func (h *handler) createTag(w http.ResponseWriter, r *http.Request) error {
	d := &image.Definition{Kind: image.DefTag, Name: httpx.Param(r, "tag_name")}
	if err := validName(d.Name); err != nil {
		return err
	}
	if err := h.svc.Define(r.Context(), namespaceOf(r), d); err != nil {
		return err
	}
	w.Header().Set("Location", httpx.SelfURL(r))
	return httpx.JSON(w, http.StatusCreated, tagView("", d))
}

// validName is what the schemas say of names, for those that are not in a
// body.
func validName(name string) error {
	if n := utf8.RuneCountInString(name); n == 0 || n > 80 || strings.Contains(name, "/") {
		return fault.Invalidf("%.100q is no name of a metadata definition", name)
	}
	return nil
}

func (h *handler) listAssociations(w http.ResponseWriter, r *http.Request) error {
	list, err := h.svc.Definitions(r.Context(), namespaceOf(r), image.DefAssociation, db.Page{})
	if err != nil {
		return err
	}
	return httpx.JSON(w, http.StatusOK, object{"resource_type_associations": associations.views("", list)})
}

func (h *handler) listResourceTypes(w http.ResponseWriter, r *http.Request) error {
	list, err := h.svc.ResourceTypes(r.Context())
	if err != nil {
		return err
	}
	out := make([]object, len(list))
	for k, t := range list {
		out[k] = object{"name": t.Name, "created_at": stamp(t.CreatedAt), "updated_at": stamp(t.UpdatedAt)}
	}
	return httpx.JSON(w, http.StatusOK, object{"resource_types": out})
}
