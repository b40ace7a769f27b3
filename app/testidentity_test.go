package app

// seedDelegations gives A one of everything by which users of identity hand
// on rights or keep secrets, and the cloud one of everything that is
// administered beside.
func (s *seed) seedDelegations() {
	user, roles := s.aMember.user, arr{obj{"name": "member"}}
	values := map[string]string{
		"tag": tag, "group": "ldap", "option": "url", "idp_id": "idp-A", "protocol_id": "openid", "mapping_id": "mapping-A", "sp_id": "sp-A", "access": "none",
	}
	create := func(who persona, param, path string, body obj, at string) {
		values[param] = s.id(who, "identity", "/v3"+path, body, at)
	}
	s.must(s.root, "identity", "PUT", "/v3/projects/"+s.aMember.project+"/tags/"+tag, nil)
	consumer := s.must(s.root, "identity", "POST", "/v3/OS-OAUTH1/consumers", obj{"consumer": obj{"description": s.secret}})
	values["consumer_id"] = consumer.text("consumer/id")
	s.oauth = oauthConsumer{id: consumer.text("consumer/id"), secret: consumer.text("consumer/secret")}
	values["request_token_id"], values["access_token_id"] = s.delegateByOAuth()
	create(s.aMember, "application_credential_id", "/users/"+user+"/application_credentials", obj{"application_credential": obj{
		"name": "seedcredential", "secret": programSecret, "description": s.secret, "roles": roles, "access_rules": arr{obj{"service": "compute", "method": "GET", "path": "/" + s.secret}},
	}}, "application_credential/id")
	values["access_rule_id"] = s.must(s.aMember, "identity", "GET", "/v3/users/"+user+"/access_rules", nil).text("access_rules/0/id")
	create(s.aMember, "trust_id", "/OS-TRUST/trusts", obj{"trust": obj{
		"trustor_user_id": user, "trustee_user_id": s.aReader.user, "project_id": s.aMember.project, "impersonation": false, "roles": roles,
	}}, "trust/id")
	create(s.aMember, "credential_id", "/credentials", obj{"credential": obj{"type": "cert", "blob": s.secret, "project_id": s.aMember.project}}, "credential/id")
	create(s.aMember, "access", "/users/"+user+"/credentials/OS-EC2", obj{"tenant_id": s.aMember.project}, "credential/access")
	service := s.value("identity", "service_id")
	create(s.root, "registered_limit_id", "/registered_limits", obj{"registered_limits": arr{obj{
		"service_id": service, "resource_name": "seeds", "default_limit": 7, "description": "shown to all",
	}}}, "registered_limits/0/id")
	create(s.root, "limit_id", "/limits", obj{"limits": arr{obj{
		"service_id": service, "resource_name": "seeds", "resource_limit": 8, "project_id": s.aMember.project, "description": s.secret,
	}}}, "limits/0/id")
	create(s.root, "policy_id", "/policies", obj{"policy": obj{"type": "text", "blob": s.secret}}, "policy/id")
	create(s.root, "endpoint_group_id", "/OS-EP-FILTER/endpoint_groups", obj{"endpoint_group": obj{
		"name": "seedgroup", "description": s.secret, "filters": obj{"interface": "internal"},
	}}, "endpoint_group/id")
	put := func(path string, body any) { s.must(s.root, "identity", "PUT", "/v3"+path, body) }
	put("/domains/"+s.value("identity", "domain_id")+"/config", s.domainConfig())
	put("/OS-FEDERATION/mappings/mapping-A", s.mapping())
	put("/OS-FEDERATION/identity_providers/idp-A", obj{"identity_provider": obj{"description": s.secret, "enabled": true, "domain_id": "default"}})
	put("/OS-FEDERATION/identity_providers/idp-A/protocols/openid", obj{"protocol": obj{"mapping_id": "mapping-A"}})
	put("/OS-FEDERATION/service_providers/sp-A", obj{"service_provider": obj{"auth_url": "http://192.0.2.3/v3", "sp_url": "http://192.0.2.3/sp", "description": s.secret}})
	for name, v := range values {
		s.values["identity {"+name+"}"] = v
	}
	policy := "/policies/" + values["policy_id"] + "/OS-ENDPOINT-POLICY"
	for _, place := range []string{"/endpoints/" + s.value("identity", "endpoint_id"), "/services/" + service, "/services/" + service + "/regions/" + s.value("identity", "region_id")} {
		put(policy+place, nil)
	}
	put("/OS-EP-FILTER/projects/"+s.nobody+"/endpoints/"+s.value("identity", "endpoint_id"), nil)
	put("/OS-EP-FILTER/endpoint_groups/"+values["endpoint_group_id"]+"/projects/"+s.nobody, nil)
	s.values["identity /v3/OS-EP-FILTER/projects/{project_id}"] = s.nobody
	s.values["identity /v3/OS-EP-FILTER/endpoint_groups/{endpoint_group_id}/projects/{project_id}"] = s.nobody
	s.values["identity /v3/OS-TRUST/trusts/{trust_id}/roles/{role_id}"] = s.value("identity", "role_id")
}

// domainConfig is a configuration of A's domain that names no directory.
func (s *seed) domainConfig() obj {
	return obj{"config": obj{"ldap": obj{"url": "ldap://127.0.0.1:1/" + s.secret}}}
}

func (s *seed) mapping() obj {
	return obj{"mapping": obj{"rules": arr{obj{
		"local":  arr{obj{"user": obj{"name": "{0}"}}, obj{"group": obj{"name": s.secret, "domain": obj{"id": "default"}}}},
		"remote": arr{obj{"type": "HTTP_OIDC_SUB"}, obj{"type": "HTTP_OIDC_ISS", "any_one_of": arr{"issuer"}}},
	}}}}
}

// delegationBodies are the bodies of what seedDelegations made.
func (s *seed) delegationBodies() map[string]any {
	service := s.value("identity", "service_id")
	credential := obj{"type": "cert", "blob": "text"}
	signed := obj{"credentials": obj{
		"access": "a", "signature": "s", "host": "h", "verb": "GET", "path": "/", "params": obj{"SignatureVersion": "2"}, "headers": obj{"X-Amz-Date": "text"},
		"body_hash": "b", "token": "dG9rZW4=",
	}}
	const idp, protocol = "/OS-FEDERATION/identity_providers/{idp_id}", "/OS-FEDERATION/identity_providers/{idp_id}/protocols/{protocol_id}"
	provider := obj{"identity_provider": obj{"description": "text", "enabled": true, "remote_ids": arr{"new"}, "authorization_ttl": 10}}
	sp := obj{"service_provider": obj{"auth_url": "http://192.0.2.3/v3", "sp_url": "http://192.0.2.3/sp", "description": "text", "enabled": true, "relay_state_prefix": "ss:mem:"}}
	group := obj{"endpoint_group": obj{"name": "new", "description": "text", "filters": obj{"interface": "public"}}}
	policy := obj{"policy": obj{"type": "text", "blob": "text"}}
	consumer := obj{"consumer": obj{"description": "text"}}
	return map[string]any{
		"identity PUT /projects/{project_id}/tags": obj{"tags": arr{"new"}},
		"identity PUT /regions/{region_id}":        obj{"region": obj{"description": "text"}},
		"identity POST /users/{user_id}/application_credentials": obj{"application_credential": obj{
			"name": "new", "description": "text", "secret": "secret", "unrestricted": false, "expires_at": "2099-01-01T00:00:00.000000", "roles": arr{obj{"name": "member"}},
			"access_rules": arr{obj{"service": "compute", "method": "GET", "path": "/new"}},
		}},
		"identity POST /OS-TRUST/trusts": obj{"trust": obj{
			"trustor_user_id": s.aMember.user, "trustee_user_id": s.aReader.user, "project_id": s.aMember.project, "impersonation": true, "roles": arr{obj{"name": "member"}},
			"expires_at": "2099-01-01T00:00:00Z", "remaining_uses": 3, "redelegation_count": 0, "allow_redelegation": false,
		}},
		"identity POST /credentials":                              obj{"credential": credential},
		"identity PATCH /credentials/{credential_id}":             obj{"credential": credential},
		"identity POST /users/{user_id}/credentials/OS-EC2":       obj{"tenant_id": s.aMember.project},
		"identity POST /ec2tokens":                                signed,
		"identity POST /s3tokens":                                 signed,
		"identity POST /registered_limits":                        obj{"registered_limits": arr{obj{"service_id": service, "resource_name": "new", "default_limit": 5, "description": "text"}}},
		"identity PATCH /registered_limits/{registered_limit_id}": obj{"registered_limit": obj{"default_limit": 5, "description": "text"}},
		"identity POST /limits": obj{"limits": arr{obj{
			"service_id": service, "resource_name": "seeds", "resource_limit": 5, "project_id": s.bMember.project, "description": "text",
		}}},
		"identity PATCH /limits/{limit_id}":                                obj{"limit": obj{"resource_limit": 5, "description": "text"}},
		"identity POST /policies":                                          policy,
		"identity PATCH /policies/{policy_id}":                             policy,
		"identity POST /OS-EP-FILTER/endpoint_groups":                      group,
		"identity PATCH /OS-EP-FILTER/endpoint_groups/{endpoint_group_id}": group,
		"identity PUT /domains/{domain_id}/config":                         obj{"config": obj{"ldap": obj{"url": "ldap://127.0.0.1:1"}}},
		"identity PATCH /domains/{domain_id}/config":                       obj{"config": obj{"ldap": obj{"url": "ldap://127.0.0.1:1"}}},
		"identity PATCH /domains/{domain_id}/config/{group}":               obj{"config": obj{"ldap": obj{"url": "ldap://127.0.0.1:1"}}},
		"identity PATCH /domains/{domain_id}/config/{group}/{option}":      obj{"config": obj{"url": "ldap://127.0.0.1:1"}},
		"identity PUT " + idp:                                              provider,
		"identity PATCH " + idp:                                            provider,
		"identity PUT " + protocol:                                         obj{"protocol": obj{"mapping_id": "mapping-A", "remote_id_attribute": "text"}},
		"identity PATCH " + protocol:                                       obj{"protocol": obj{"mapping_id": "mapping-A", "remote_id_attribute": "text"}},
		"identity PUT /OS-FEDERATION/mappings/{mapping_id}":                s.mapping(),
		"identity PATCH /OS-FEDERATION/mappings/{mapping_id}": obj{"mapping": obj{"rules": arr{obj{
			"local": arr{obj{"user": obj{"name": "{0}"}}}, "remote": arr{obj{"type": "HTTP_OIDC_SUB"}},
		}}}},
		"identity PUT /OS-FEDERATION/service_providers/{sp_id}":   sp,
		"identity PATCH /OS-FEDERATION/service_providers/{sp_id}": sp,
		"identity POST /OS-OAUTH1/consumers":                      consumer,
		"identity PATCH /OS-OAUTH1/consumers/{consumer_id}":       consumer,
		"identity PUT /OS-OAUTH1/authorize/{request_token_id}":    obj{"roles": arr{obj{"name": "member"}}},
	}
}
