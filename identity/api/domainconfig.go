package api

import (
	"net/http"

	"nubo/identity"
	"nubo/internal/fault"
	"nubo/internal/httpx"
)

// configIn reads the configuration in a request. Below a group's or an
// option's URL it may hold nothing else.
func configIn(r *http.Request) (identity.DomainConfig, error) {
	group, option := httpx.Param(r, "group"), httpx.Param(r, "option")
	var in struct{ Config map[string]any }
	if err := httpx.Decode(r, &in); err != nil {
		return nil, err
	}
	bad := fault.Invalidf("Invalid domain specific configuration: the body does not match the URL.")
	if option != "" {
		v, ok := in.Config[option]
		if !ok || len(in.Config) != 1 {
			return nil, bad
		}
		return identity.DomainConfig{group: {option: v}}, nil
	}
	out := identity.DomainConfig{}
	for name, v := range in.Config {
		options, ok := v.(map[string]any)
		if !ok || group != "" && name != group {
			return nil, bad
		}
		out[name] = options
	}
	return out, nil
}

func (h *handler) answerConfig(w http.ResponseWriter, r *http.Request, status int) error {
	id, group, option := httpx.Param(r, "domain_id"), httpx.Param(r, "group"), httpx.Param(r, "option")
	c, err := h.svc.DomainConfigOf(r.Context(), id, false)
	if err != nil {
		return err
	}
	if group == "security_compliance" { // the same for every domain
		c = h.svc.DefaultConfig()
	}
	part, err := c.Part(id, group, option)
	if err != nil {
		return err
	}
	return httpx.JSON(w, status, object{"config": part})
}

func (h *handler) createConfig(w http.ResponseWriter, r *http.Request) error {
	c, err := configIn(r)
	if err != nil {
		return err
	}
	id := httpx.Param(r, "domain_id")
	before, err := h.svc.DomainConfigOf(r.Context(), id, true)
	if err != nil {
		return err
	}
	if err := h.svc.SaveDomainConfig(r.Context(), id, c, true); err != nil {
		return err
	}
	status := http.StatusOK
	if len(before) == 0 {
		status = http.StatusCreated
	}
	return h.answerConfig(w, r, status)
}

func (h *handler) updateConfig(w http.ResponseWriter, r *http.Request) error {
	c, err := configIn(r)
	if err != nil {
		return err
	}
	id := httpx.Param(r, "domain_id")
	have, err := h.svc.DomainConfigOf(r.Context(), id, true)
	if err != nil {
		return err
	}
	if _, err := have.Part(id, httpx.Param(r, "group"), httpx.Param(r, "option")); err != nil {
		return err
	}
	if err := h.svc.SaveDomainConfig(r.Context(), id, c, false); err != nil {
		return err
	}
	return h.answerConfig(w, r, http.StatusOK)
}

func (h *handler) showConfig(w http.ResponseWriter, r *http.Request) error {
	return h.answerConfig(w, r, http.StatusOK)
}

func (h *handler) deleteConfig(w http.ResponseWriter, r *http.Request) error {
	return done(w, h.svc.RemoveDomainConfig(r.Context(), httpx.Param(r, "domain_id"), httpx.Param(r, "group"), httpx.Param(r, "option")))
}

func (h *handler) defaultConfig(w http.ResponseWriter, r *http.Request) error {
	part, err := h.svc.DefaultConfig().Part("default", httpx.Param(r, "group"), httpx.Param(r, "option"))
	if err != nil {
		return err
	}
	return httpx.JSON(w, http.StatusOK, object{"config": part})
}
