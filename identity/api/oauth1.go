package api

import (
	"net/http"
	"net/url"
	"strings"

	"nubo/identity"
	"nubo/internal/fault"
	"nubo/internal/httpx"
)

const oauth1 = "/OS-OAUTH1"

func consumerView(r *http.Request, c *identity.Consumer) object {
	return object{"id": c.ID, "description": c.Description, "links": self(r, oauth1+"/consumers/"+c.ID)}.with(c.Extra)
}

type consumerIn struct{ Description *string }

func (in *consumerIn) apply(c *identity.Consumer, extra map[string]any) {
	set(&c.Description, in.Description)
	c.Extra = merged(c.Extra, extra)
}

func (h *handler) listConsumers(w http.ResponseWriter, r *http.Request) error {
	return listTable(w, r, h.store.Consumers(), "consumers", httpx.FilterSpec{}, consumerView)
}

func (h *handler) createConsumer(w http.ResponseWriter, r *http.Request) error {
	var in consumerIn
	extra, err := body(r, "consumer", &in, "description")
	if err != nil {
		return err
	}
	c := &identity.Consumer{}
	in.apply(c, extra)
	if err := h.svc.CreateConsumer(r.Context(), c); err != nil {
		return err
	}
	v := consumerView(r, c)
	v["secret"] = c.Secret // shown only now
	return httpx.JSON(w, http.StatusCreated, object{"consumer": v})
}

func (h *handler) updateConsumer(w http.ResponseWriter, r *http.Request) error {
	var in consumerIn
	extra, err := body(r, "consumer", &in, "description", "secret")
	if err != nil {
		return err
	}
	c, err := h.svc.UpdateConsumer(r.Context(), httpx.Param(r, "consumer_id"), func(c *identity.Consumer) { in.apply(c, extra) })
	if err != nil {
		return err
	}
	return show(w, r, http.StatusOK, "consumer", c, consumerView)
}

// oauthRequest reads a request signed by OAuth 1; nil if it is not.
func oauthRequest(r *http.Request) *identity.OAuthRequest {
	text, ok := strings.CutPrefix(r.Header.Get("Authorization"), "OAuth ")
	if !ok {
		return nil
	}
	out := &identity.OAuthRequest{Method: r.Method, URL: httpx.SelfURL(r), Params: map[string]string{}, Query: r.URL.Query()}
	for _, part := range strings.Split(text, ",") {
		k, v, _ := strings.Cut(strings.TrimSpace(part), "=")
		if value, err := url.QueryUnescape(strings.ReplaceAll(strings.Trim(v, `"`), "+", "%2B")); err == nil {
			out.Params[k] = value
		}
	}
	return out
}

func (h *handler) requestToken(w http.ResponseWriter, r *http.Request) error {
	signed, project := oauthRequest(r), r.Header.Get("Requested-Project-Id")
	if signed == nil || project == "" {
		return fault.Invalidf("The Authorization and the Requested-Project-Id header are required.")
	}
	t, err := h.svc.RequestToken(r.Context(), *signed, project)
	if err != nil {
		return err
	}
	return answerForm(w, url.Values{"oauth_token": {t.ID}, "oauth_token_secret": {t.Secret}, "oauth_expires_at": {stamp(*t.ExpiresAt)}})
}

// answerForm answers as RFC 5849 wants it.
func answerForm(w http.ResponseWriter, v url.Values) error {
	w.Header().Set("Content-Type", "application/x-www-form-urlencoded")
	w.WriteHeader(http.StatusCreated)
	w.Write([]byte(v.Encode())) //nolint:errcheck // the client is gone; nobody is left to tell
	return nil
}

func (h *handler) accessToken(w http.ResponseWriter, r *http.Request) error {
	signed := oauthRequest(r)
	if signed == nil {
		return fault.Invalidf("The Authorization header is required.")
	}
	t, err := h.svc.AccessToken(r.Context(), *signed)
	if err != nil {
		return err
	}
	return answerForm(w, url.Values{"oauth_token": {t.ID}, "oauth_token_secret": {t.Secret}})
}

func (h *handler) authorizeToken(w http.ResponseWriter, r *http.Request) error {
	var in struct{ Roles []roleRefIn }
	if err := httpx.Decode(r, &in); err != nil {
		return err
	}
	by, err := h.caller(r)
	if err != nil {
		return err
	}
	verifier, err := h.svc.AuthorizeRequestToken(r.Context(), by, httpx.Param(r, "request_token_id"), roleRefs(in.Roles))
	if err != nil {
		return err
	}
	return httpx.JSON(w, http.StatusOK, object{"token": object{"oauth_verifier": verifier}})
}

func accessTokenView(r *http.Request, t *identity.OAuthToken) object {
	path := "/users/" + t.UserID + oauth1 + "/access_tokens/" + t.ID
	return object{
		"id": t.ID, "consumer_id": t.ConsumerID, "project_id": t.ProjectID, "authorizing_user_id": t.UserID, "expires_at": expiry(t.ExpiresAt),
		"links": object{"self": self(r, path)["self"], "roles": self(r, path+"/roles")["self"]},
	}
}

func (h *handler) listAccessTokens(w http.ResponseWriter, r *http.Request) error {
	return listTable(w, r, h.store.OAuthTokens(), "access_tokens", httpx.FilterSpec{}, accessTokenView,
		equal("user_id", httpx.Param(r, "user_id")), equal("access", true))
}

func (h *handler) showAccessToken(w http.ResponseWriter, r *http.Request) error {
	t, err := h.svc.UserAccessToken(r.Context(), httpx.Param(r, "user_id"), httpx.Param(r, "access_token_id"))
	if err != nil {
		return err
	}
	return show(w, r, http.StatusOK, "access_token", t, accessTokenView)
}

func (h *handler) deleteAccessToken(w http.ResponseWriter, r *http.Request) error {
	return done(w, h.svc.RevokeAccessToken(r.Context(), httpx.Param(r, "user_id"), httpx.Param(r, "access_token_id")))
}

func (h *handler) accessTokenRoles(w http.ResponseWriter, r *http.Request) error {
	t, err := h.svc.UserAccessToken(r.Context(), httpx.Param(r, "user_id"), httpx.Param(r, "access_token_id"))
	if err != nil {
		return err
	}
	roles, err := h.svc.RolesByID(r.Context(), t.Roles)
	if err != nil {
		return err
	}
	return list(w, r, "roles", roles, roleView)
}

func (h *handler) accessTokenRole(w http.ResponseWriter, r *http.Request) error {
	t, err := h.svc.UserAccessToken(r.Context(), httpx.Param(r, "user_id"), httpx.Param(r, "access_token_id"))
	if err != nil {
		return err
	}
	return h.delegatedRole(w, r, t.Roles)
}
