package ctl

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"

	"nubo/broker/user"
)

func userCommands() []command {
	const section = "Users"
	return []command{
		{
			name: "add_user", section: section, usage: "<username> <password>", min: 1, max: 2,
			about:  "Creates a user, who may not enter any virtual host yet",
			more:   map[string]kind{"pre-hashed-password": flag},
			check:  nonEmpty("user"),
			banner: func(c *call) string { return prompt(c, `Adding user "%s" ...`) },
			input:  password(1), run: addUser,
		},
		{
			name: "authenticate_user", section: section, usage: "<username> <password>", min: 1, max: 2, needs: running,
			about:  "Attempts to authenticate a user; exits with a non-zero code if that fails",
			check:  nonEmpty("user"),
			banner: func(c *call) string { return prompt(c, `Authenticating user "%s" ...`) },
			input:  password(1), run: authenticateUser,
		},
		{
			name: "change_password", section: section, usage: "<username> <password>", min: 1, max: 2,
			about:  "Changes the user password",
			check:  nonEmpty("user"),
			banner: func(c *call) string { return prompt(c, `Changing password for user "%s" ...`) },
			input:  password(1), run: changePassword,
		},
		{
			name: "clear_password", section: section, usage: "<username>", min: 1, max: 1,
			about:  "Clears the password, so that the user cannot log in with one",
			banner: func(c *call) string { return fmt.Sprintf(`Clearing password for user "%s" ...`, c.args[0]) },
			run: func(_ context.Context, c *call) (result, error) {
				return done(noSuchUser(c.args[0], c.broker().SetPassword(c.args[0], "")))
			},
		},
		{
			name: "delete_user", section: section, usage: "<username>", min: 1, max: 1,
			about:  "Removes a user and closes the connections it has",
			banner: func(c *call) string { return fmt.Sprintf(`Deleting user "%s" ...`, c.args[0]) },
			run: func(_ context.Context, c *call) (result, error) {
				return done(missingUser(c.args[0], c.broker().DeleteUser(c.args[0])))
			},
		},
		{
			name: "set_user_tags", section: section, usage: "<username> <tag> [...]", min: 1, max: -1,
			about: "Sets user tags",
			banner: func(c *call) string {
				return fmt.Sprintf(`Setting tags for user "%s" to [%s] ...`, c.args[0], strings.Join(c.args[1:], ", "))
			},
			run: func(_ context.Context, c *call) (result, error) {
				return done(missingUser(c.args[0], c.broker().SetTags(c.args[0], splitTags(c.args[1:])...)))
			},
		},
		{
			name: "list_users", section: section, usage: "[--no-table-headers] [--timeout <timeout>]", in: everywhere,
			about: "List user names and tags", banner: say("Listing users ..."),
			run: func(_ context.Context, c *call) (result, error) {
				r := &rows{columns: []string{"user", "tags"}}
				for _, u := range c.broker().Users() {
					r.add(u.Name, atoms(u.Tags))
				}
				return result{rows: r}, nil
			},
		},
	}
}

// splitTags takes tags apart that came with commas between them.
func splitTags(args []string) []string {
	return strings.FieldsFunc(strings.Join(args, ","), func(r rune) bool { return r == ',' || r == ' ' })
}

// missingUser says in most commands' words that there is no such user.
func missingUser(name string, err error) error {
	if errors.Is(err, user.ErrUnknown) {
		return failed(exitNoUser, `User "%s" does not exist`, name)
	}
	return err
}

// noSuchUser says it in the words of the others, which are Erlang's.
func noSuchUser(name string, err error) error {
	if errors.Is(err, user.ErrUnknown) {
		return failed(exitUnavailable, `{:no_such_user, "%s"}`, name)
	}
	return err
}

// prompt is a banner about the user, and asks for the password if there is none.
func prompt(c *call, banner string) string {
	banner = fmt.Sprintf(banner, c.args[0])
	if len(c.args) < 2 {
		banner += "\nPassword: "
	}
	return banner
}

// maxPassword is how long a password from standard input may be.
const maxPassword = 64 << 10

// password reads one from standard input if it is not among the arguments.
func password(at int) func(*call, io.Reader) ([]byte, error) {
	return func(c *call, in io.Reader) ([]byte, error) {
		if len(c.args) > at || in == nil {
			return nil, nil
		}
		text, err := io.ReadAll(io.LimitReader(in, maxPassword))
		if err != nil {
			return nil, fmt.Errorf("read the password: %w", err)
		}
		line, _, _ := strings.Cut(string(text), "\n")
		return []byte(line), nil
	}
}

// passwordOf is the password given either way.
func passwordOf(c *call, code int) (string, error) {
	if len(c.args) > 1 {
		return c.args[1], nil
	}
	if len(c.input) == 0 {
		return "", failed(code, "Password is not provided via argument or stdin")
	}
	return strings.TrimSuffix(string(c.input), "\r"), nil
}

func addUser(_ context.Context, c *call) (result, error) {
	secret, err := passwordOf(c, exitData)
	if err != nil {
		return result{}, err
	}
	name, registry := c.args[0], c.broker().UserRegistry()
	if c.has("pre-hashed-password") {
		for _, u := range c.broker().Users() {
			if u.Name == name {
				err = user.ErrExists
			}
		}
		if err == nil {
			err = registry.Import(user.Info{Name: name, PasswordHash: secret})
		}
	} else {
		err = registry.Add(name, secret)
	}
	switch {
	case errors.Is(err, user.ErrExists):
		return result{}, failed(exitSoftware, `User "%s" already exists`, name)
	case errors.Is(err, user.ErrHash):
		return result{}, failed(exitData, "the pre-hashed password is %s", user.ErrHash)
	case err != nil || c.quiet() && c.formatter() != "json":
		return result{}, err
	}
	text := "Done. Don't forget to grant the user permissions to some virtual hosts! See 'rabbitmqctl help set_permissions' to learn more."
	return result{text: text, value: object{{"message", text}, {"node", nameOf(c)}, {"status", "ok"}}}, nil
}

func authenticateUser(_ context.Context, c *call) (result, error) {
	secret, err := passwordOf(c, exitSoftware)
	if err != nil {
		return result{}, err
	}
	if err := c.broker().Authenticate(c.args[0], secret); err != nil {
		return result{}, failed(exitData, "Error: failed to authenticate user \"%s\"\nuser '%s' - invalid credentials", c.args[0], c.args[0])
	}
	return message("Success")
}

func changePassword(_ context.Context, c *call) (result, error) {
	secret, err := passwordOf(c, exitSoftware)
	if err != nil {
		return result{}, err
	}
	return done(missingUser(c.args[0], c.broker().SetPassword(c.args[0], secret)))
}
