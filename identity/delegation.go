package identity

import (
	"slices"

	"nubo/internal/fault"
)

// What a token may not do that carries less than its user's rights: make, see
// or change what would count for longer, or for more, than itself.

// Delegated reports whether the token was got by a trust, an application
// credential or an access token of OAuth 1. It is for one project then.
func (t *Token) Delegated() bool { return t.TrustID+t.AppCredID+t.AccessTokenID != "" }

// BySignature reports whether the token was got by an EC2 or S3 request,
// which its user signed for another purpose.
func (t *Token) BySignature() bool { return slices.Contains(t.Methods, "ec2credential") }

// Holds reports whether the token reaches a project's credentials: a delegated
// one only those of its own project, and none that belong to no project, such
// as the seeds of passcodes.
func (t *Token) Holds(projectID string) bool { return !t.Delegated() || projectID == t.Scope.ProjectID }

// MayHold refuses a delegated token another project's credentials.
func (t *Token) MayHold(projectID string) error {
	if t.Holds(projectID) {
		return nil
	}
	return refused("Credential project does not match the project scope of the delegated token.")
}

// MayManageAccessTokens refuses delegated tokens what the user delegated by
// OAuth 1.
func (t *Token) MayManageAccessTokens() error {
	if !t.Delegated() {
		return nil
	}
	return fault.Forbiddenf("Cannot manage OAuth access tokens with a token issued via delegation.")
}

// MayManageAppCredentials refuses tokens of trusts and of OAuth 1 a user's
// application credentials: one made with them would outlive them.
func (t *Token) MayManageAppCredentials() error {
	if t.TrustID+t.AccessTokenID == "" {
		return nil
	}
	return fault.Forbiddenf("Cannot manage application credentials with a token issued via delegation.")
}

// MayManageTrusts refuses tokens of application credentials and of OAuth 1 the
// trusts: with them they would reach further than their project and roles.
func (t *Token) MayManageTrusts() error {
	if t.AppCredID != "" {
		return refused("Using method 'application_credential' is not allowed for managing trusts.")
	}
	if t.AccessTokenID != "" {
		return refused("Using method 'oauth1' is not allowed for managing trusts.")
	}
	return nil
}

// unrestricted refuses tokens of restricted application credentials what would
// let them escape their restriction; what says it in Keystone's words.
func (t *Token) unrestricted(what string) error {
	if t.AppCredential == nil || t.AppCredential.Unrestricted {
		return nil
	}
	return refused("Using method 'application_credential' is not allowed for managing additional " + what + ".")
}

func refused(why string) error {
	return fault.Forbiddenf("You are not authorized to perform the requested action: %s", why)
}
