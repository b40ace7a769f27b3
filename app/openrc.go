package app

import "fmt"

// writeClients writes what an administrator's clients read: DATA/openrc and
// DATA/clouds.yaml.
func writeClients(s *settings, sec *secrets) error {
	openrc := fmt.Sprintf(`# The administrator's access to this cloud. Use it with: . %s
export OS_AUTH_URL=%s
export OS_USERNAME=admin
export OS_PASSWORD='%s'
export OS_PROJECT_NAME=admin
export OS_USER_DOMAIN_NAME=Default
export OS_PROJECT_DOMAIN_NAME=Default
export OS_REGION_NAME=%s
export OS_IDENTITY_API_VERSION=3
`, s.path("openrc"), s.url(portIdentity, "/v3"), shellQuoted(sec.AdminPassword), s.def.Region)
	if err := writePrivate(s.path("openrc"), []byte(openrc)); err != nil {
		return err
	}
	clouds := fmt.Sprintf(`clouds:
  nubo:
    auth:
      auth_url: %s
      username: admin
      password: %q
      project_name: admin
      user_domain_name: Default
      project_domain_name: Default
    region_name: %s
    identity_api_version: 3
`, s.url(portIdentity, "/v3"), sec.AdminPassword, s.def.Region)
	return writePrivate(s.path("clouds.yaml"), []byte(clouds))
}

// shellQuoted makes text safe between single quotes.
func shellQuoted(text string) string {
	out := ""
	for _, c := range text {
		if c == '\'' {
			out += `'\''`
			continue
		}
		out += string(c)
	}
	return out
}
