package broker

import (
	"fmt"

	"nubo/amqp"
	"nubo/broker/conn"
	"nubo/broker/user"
)

// AddUser adds a user who may do everything in the virtual host /.
func (b *Broker) AddUser(name, password string, tags ...string) error {
	if err := b.users.Add(name, password, tags...); err != nil {
		return err
	}
	return b.SetPermissions(name, defaultVHost, ".*", ".*", ".*")
}

// SetPassword changes a user's password; an empty one lets nobody in.
func (b *Broker) SetPassword(name, password string) error { return b.users.SetPassword(name, password) }

// SetTags replaces a user's tags.
func (b *Broker) SetTags(name string, tags ...string) error { return b.users.SetTags(name, tags...) }

// DeleteUser removes a user and closes the connections it has.
func (b *Broker) DeleteUser(name string) error {
	if err := b.users.Delete(name); err != nil {
		return err
	}
	b.closeWhere(func(i conn.Info) bool { return i.User == name }, fmt.Sprintf("user '%s' was deleted", name))
	return nil
}

// SetPermissions sets what a user may do in a virtual host: regular
// expressions for the names of the queues and exchanges.
func (b *Broker) SetPermissions(name, vhost, configure, write, read string) error {
	p, err := user.ParsePermissions(configure, write, read)
	if err != nil {
		return err
	}
	if _, err := b.VHost(vhost); err != nil {
		return err
	}
	return b.users.SetPermissions(name, vhost, p)
}

// UserRegistry is where users, their permissions and limits are looked at and
// changed beyond what Broker's own methods do.
func (b *Broker) UserRegistry() *user.Registry { return b.users }

// Authenticate checks the password of a user who comes by HTTP.
func (b *Broker) Authenticate(name, password string) error {
	err := b.users.Authenticate(name, password)
	if err != nil {
		b.node.refused.Add(1)
	} else {
		b.node.admitted.Add(1)
	}
	return err
}

// Users describes the users.
func (b *Broker) Users() []user.Info { return b.users.List() }

// closeWhere closes the connections f picks, telling the clients the reason.
func (b *Broker) closeWhere(f func(conn.Info) bool, reason string) int {
	n := 0
	for _, c := range b.connections() {
		if f(c.Info()) {
			c.Close(amqp.ConnectionForced, reason)
			n++
		}
	}
	return n
}
