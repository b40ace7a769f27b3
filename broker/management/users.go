package management

import (
	"encoding/json"

	"nubo/broker"
	"nubo/broker/user"
)

// hashing is the one algorithm for passwords there is.
const hashing = "rabbit_password_hashing_sha256"

func userObject(u user.Info) object {
	limits := u.Limits
	if limits == nil {
		limits = map[string]int64{}
	}
	return object{
		"name": u.Name, "password_hash": u.PasswordHash, "hashing_algorithm": hashing,
		"tags": append([]string{}, u.Tags...), "limits": limits,
	}
}

func listUsers(c *call) error {
	var list []object
	for _, u := range c.b.Users() {
		list = append(list, userObject(u))
	}
	return c.list(list)
}

func usersWithoutPermissions(c *call) error {
	may := make(map[string]bool)
	for _, g := range c.b.UserRegistry().Grants() {
		may[g.User] = true
	}
	var list []object
	for _, u := range c.b.Users() {
		if !may[u.Name] {
			list = append(list, userObject(u))
		}
	}
	return c.list(list)
}

func getUser(c *call) error {
	u, ok := c.userNamed(c.args["user"])
	if !ok {
		return errNotFound
	}
	return c.ok(userObject(u))
}

// userBody is what a user is made of.
type userBody struct {
	Password         *string
	PasswordHash     *string `json:"password_hash"`
	HashingAlgorithm *string `json:"hashing_algorithm"`
	Tags             *broker.Tags
}

func putUser(c *call) error {
	var in userBody
	if err := c.body(&in); err != nil {
		return err
	}
	name := c.args["user"]
	if name == "" {
		return badRequest("the name of a user is empty")
	}
	if in.Tags == nil {
		return badRequest("tags_not_present")
	}
	if in.HashingAlgorithm != nil && *in.HashingAlgorithm != hashing {
		return badRequest("hashing algorithm " + *in.HashingAlgorithm + " is not supported")
	}
	_, found := c.userNamed(name)
	info := user.Info{Name: name, Tags: *in.Tags}
	switch {
	case in.PasswordHash != nil:
		info.PasswordHash = *in.PasswordHash
	case in.Password != nil && *in.Password != "":
		info.PasswordHash = user.Hash(*in.Password)
	}
	if err := c.b.UserRegistry().Import(info); err != nil {
		return err
	}
	return c.done(!found)
}

func deleteUser(c *call) error {
	if err := c.b.DeleteUser(c.args["user"]); err != nil {
		return err
	}
	return c.done(false)
}

func bulkDeleteUsers(c *call) error {
	var in struct{ Users []string }
	if err := c.body(&in); err != nil {
		return err
	}
	for _, name := range in.Users {
		if _, ok := c.userNamed(name); !ok {
			return badRequest([]string{"no_such_user", name})
		}
	}
	for _, name := range in.Users {
		if err := c.b.DeleteUser(name); err != nil {
			return err
		}
	}
	return c.done(false)
}

// asObject gives a definition as it is exported.
func asObject(v any) object {
	var o object
	text, err := json.Marshal(v)
	if err == nil {
		err = json.Unmarshal(text, &o)
	}
	if err != nil {
		panic(err) // definitions are plain
	}
	return o
}
