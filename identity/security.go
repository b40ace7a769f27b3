package identity

import (
	"fmt"
	"regexp"
	"time"

	"nubo/internal/fault"
)

// SecurityConfig is section [security_compliance] of the configuration.
type SecurityConfig struct {
	LockoutFailureAttempts         int           `default:"0" help:"How many wrong passwords lock a user out; 0 for never."`
	LockoutDuration                time.Duration `default:"30m" help:"How long a user is locked out."`
	DisableUserAccountDaysInactive int           `default:"0" help:"Days without a sign-in after which a user cannot any more; 0 for never."`
	PasswordExpiresDays            int           `default:"0" help:"Days after which a password has to be changed; 0 for never."`
	UniqueLastPasswordCount        int           `default:"0" help:"How many of a user's passwords, the new one included, must differ; 0 for any."`
	MinimumPasswordAge             int           `default:"0" help:"Days a password that a user chose has to be kept."`
	PasswordRegex                  string        `default:"" help:"Regular expression that passwords must match."`
	PasswordRegexDescription       string        `default:"" help:"What is said of passwords that do not match."`
	ChangePasswordUponFirstUse     bool          `default:"false" help:"A password that an administrator set has to be changed at first use."`
}

// rules are the configuration at work.
type rules struct {
	SecurityConfig
	regex *regexp.Regexp
}

func newRules(c SecurityConfig) (rules, error) {
	r := rules{SecurityConfig: c}
	if c.PasswordRegex == "" {
		return r, nil
	}
	var err error
	if r.regex, err = regexp.Compile(c.PasswordRegex); err != nil {
		return r, fmt.Errorf("[security_compliance] password_regex: %w", err)
	}
	return r, nil
}

// watches reports whether anything about sign-ins is to be noted.
func (r *rules) watches() bool {
	return r.LockoutFailureAttempts > 0 || r.DisableUserAccountDaysInactive > 0
}

// check holds a password against the regular expression.
func (r *rules) check(password string) error {
	if r.regex == nil || r.regex.MatchString(password) {
		return nil
	}
	why := r.PasswordRegexDescription
	if why == "" {
		why = r.PasswordRegex
	}
	return fault.Invalidf("The password does not match the requirements: %s.", why)
}

// locked reports whether a user may not sign in, whatever the password.
func (r *rules) locked(u *User, seen SignIns, now time.Time) bool {
	if n := r.LockoutFailureAttempts; n > 0 && seen.Failures >= n && !u.option(ignoreLockout) &&
		seen.FailedAt != nil && now.Sub(*seen.FailedAt) < r.LockoutDuration {
		return true
	}
	if days := r.DisableUserAccountDaysInactive; days > 0 && !u.option(ignoreInactivity) {
		last := u.CreatedAt
		if seen.ActiveAt != nil {
			last = *seen.ActiveAt
		}
		return now.After(last.AddDate(0, 0, days))
	}
	return false
}

// tooYoung refuses to let a user change a password he chose just now.
func (r *rules) tooYoung(u *User, now time.Time) error {
	until := u.PasswordSetAt.AddDate(0, 0, r.MinimumPasswordAge)
	if r.MinimumPasswordAge == 0 || !u.PasswordSelfService || !now.Before(until) {
		return nil
	}
	left := int(until.Sub(now)/(24*time.Hour)) + 1
	return fault.Invalidf("You cannot change your password at this time due to the minimum password age. Once you change your password, it must be used for %d day(s) before it can be changed. "+
		"Please try again in %d day(s) or contact your administrator to reset your password.", r.MinimumPasswordAge, left)
}
