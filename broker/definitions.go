package broker

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"math"
	"strings"

	"nubo/amqp"
	"nubo/broker/policy"
	"nubo/broker/queue"
	"nubo/broker/user"
	"nubo/broker/vhost"
)

// Definitions are a broker's definitions in the form of RabbitMQ's export.
type Definitions struct {
	RabbitVersion    string               `json:"rabbit_version,omitempty"`
	RabbitMQVersion  string               `json:"rabbitmq_version,omitempty"`
	ProductName      string               `json:"product_name,omitempty"`
	ProductVersion   string               `json:"product_version,omitempty"`
	Users            []UserDef            `json:"users,omitzero"`
	VHosts           []VHostDef           `json:"vhosts,omitzero"`
	Permissions      []PermissionDef      `json:"permissions,omitzero"`
	TopicPermissions []TopicPermissionDef `json:"topic_permissions,omitzero"`
	Parameters       []ParameterDef       `json:"parameters"`
	GlobalParameters []GlobalParameter    `json:"global_parameters,omitzero"`
	Policies         []PolicyDef          `json:"policies"`
	Queues           []QueueDef           `json:"queues"`
	Exchanges        []ExchangeDef        `json:"exchanges"`
	Bindings         []BindingDef         `json:"bindings"`
}

// Limits are the limits of a user or a virtual host, by name.
type Limits map[string]int64

// UnmarshalJSON accepts [] for {} as RabbitMQ does.
func (l *Limits) UnmarshalJSON(b []byte) error {
	if strings.TrimSpace(string(b)) == "[]" {
		return nil
	}
	return json.Unmarshal(b, (*map[string]int64)(l))
}

// UserDef is a user. RabbitMQ before 3.9 wrote the tags as one string.
type UserDef struct {
	Name             string `json:"name"`
	PasswordHash     string `json:"password_hash"`
	HashingAlgorithm string `json:"hashing_algorithm"`
	Tags             Tags   `json:"tags"`
	Limits           Limits `json:"limits"`
}

// Tags are a list, or one string with commas.
type Tags []string

// UnmarshalJSON takes both forms.
func (t *Tags) UnmarshalJSON(b []byte) error {
	var s string
	if json.Unmarshal(b, &s) == nil {
		*t = nil
		for tag := range strings.SplitSeq(s, ",") {
			if tag = strings.TrimSpace(tag); tag != "" {
				*t = append(*t, tag)
			}
		}
		return nil
	}
	return json.Unmarshal(b, (*[]string)(t))
}

// VHostDef is a virtual host. Newer exports have what describes it twice.
type VHostDef struct {
	Name             string    `json:"name"`
	Description      string    `json:"description,omitempty"`
	Tags             Tags      `json:"tags,omitempty"`
	DefaultQueueType string    `json:"default_queue_type,omitempty"`
	Metadata         VHostMeta `json:"metadata"`
}

// VHostMeta describes a virtual host.
type VHostMeta struct {
	Description      string `json:"description"`
	Tags             Tags   `json:"tags"`
	DefaultQueueType string `json:"default_queue_type,omitempty"`
}

// PermissionDef is one set of permissions.
type PermissionDef struct {
	User      string `json:"user"`
	VHost     string `json:"vhost"`
	Configure string `json:"configure"`
	Write     string `json:"write"`
	Read      string `json:"read"`
}

// TopicPermissionDef is one set of topic permissions.
type TopicPermissionDef struct {
	User     string `json:"user"`
	VHost    string `json:"vhost"`
	Exchange string `json:"exchange"`
	Write    string `json:"write"`
	Read     string `json:"read"`
}

// ParameterDef is a runtime parameter: an operator policy or a virtual host's
// limits.
type ParameterDef struct {
	Component string          `json:"component"`
	VHost     string          `json:"vhost,omitempty"`
	Name      string          `json:"name"`
	Value     json.RawMessage `json:"value"`
}

// PolicyDef is a policy.
type PolicyDef struct {
	VHost      string `json:"vhost,omitempty"`
	Name       string `json:"name,omitempty"`
	Pattern    string `json:"pattern"`
	ApplyTo    string `json:"apply-to"`
	Definition Args   `json:"definition"`
	Priority   int    `json:"priority"`
}

// QueueDef is a queue.
type QueueDef struct {
	Name       string `json:"name"`
	VHost      string `json:"vhost,omitempty"`
	Durable    bool   `json:"durable"`
	AutoDelete bool   `json:"auto_delete"`
	Arguments  Args   `json:"arguments"`
}

// ExchangeDef is an exchange.
type ExchangeDef struct {
	Name       string `json:"name"`
	VHost      string `json:"vhost,omitempty"`
	Type       string `json:"type"`
	Durable    bool   `json:"durable"`
	AutoDelete bool   `json:"auto_delete"`
	Internal   bool   `json:"internal"`
	Arguments  Args   `json:"arguments"`
}

// BindingDef is a binding.
type BindingDef struct {
	Source          string `json:"source"`
	VHost           string `json:"vhost,omitempty"`
	Destination     string `json:"destination"`
	DestinationType string `json:"destination_type"`
	RoutingKey      string `json:"routing_key"`
	Arguments       Args   `json:"arguments"`
}

// Args are arguments: numbers without a fraction are integers.
type Args amqp.Table

// table is a copy that the broker may keep.
func (a Args) table() amqp.Table { return amqp.Table(maps.Clone(a)) }

// MarshalJSON writes an empty table as {}.
func (a Args) MarshalJSON() ([]byte, error) {
	if a == nil {
		return []byte("{}"), nil
	}
	return json.Marshal(map[string]any(a))
}

// UnmarshalJSON reads integers as int64, and accepts [] for {} as RabbitMQ does.
func (a *Args) UnmarshalJSON(b []byte) error {
	if s := strings.TrimSpace(string(b)); s == "[]" || s == "null" {
		*a = nil
		return nil
	}
	var raw map[string]any
	d := json.NewDecoder(strings.NewReader(string(b)))
	d.UseNumber()
	if err := d.Decode(&raw); err != nil {
		return err
	}
	t, err := toTable(raw)
	*a = Args(t)
	return err
}

func toTable(raw map[string]any) (amqp.Table, error) {
	t := make(amqp.Table, len(raw))
	for k, v := range raw {
		var err error
		if t[k], err = toValue(v); err != nil {
			return nil, err
		}
	}
	return t, nil
}

func toValue(v any) (any, error) {
	switch v := v.(type) {
	case json.Number:
		if n, err := v.Int64(); err == nil {
			return n, nil
		}
		f, err := v.Float64()
		if err == nil && f == math.Trunc(f) && math.Abs(f) < 1<<53 {
			return int64(f), nil
		}
		return f, err
	case map[string]any:
		return toTable(v)
	case []any:
		list := make([]any, len(v))
		for i := range v {
			var err error
			if list[i], err = toValue(v[i]); err != nil {
				return nil, err
			}
		}
		return list, nil
	}
	return v, nil
}

const hashing = "rabbit_password_hashing_sha256"

// ExportDefinitions is all there is but messages. Queues that belong to a
// connection, or have a name of the broker's making, and what every virtual
// host has are left out, as in RabbitMQ.
func (b *Broker) ExportDefinitions() Definitions {
	d := noDefinitions()
	d.RabbitMQVersion, d.ProductName, d.ProductVersion = compatible, "nubo", version
	d.Users, d.VHosts, d.Permissions, d.TopicPermissions = []UserDef{}, []VHostDef{}, []PermissionDef{}, []TopicPermissionDef{}
	for _, u := range b.Users() {
		limits := u.Limits
		if limits == nil {
			limits = map[string]int64{}
		}
		d.Users = append(d.Users, UserDef{u.Name, u.PasswordHash, hashing, append(Tags{}, u.Tags...), limits})
	}
	for _, v := range b.VHosts() {
		d.VHosts = append(d.VHosts, VHostDef{Name: v.Name, Metadata: VHostMeta{v.Description, append(Tags{}, v.Tags...), v.DefaultQueueType}})
	}
	for _, g := range b.users.Grants() {
		d.Permissions = append(d.Permissions, PermissionDef(g))
	}
	for _, g := range b.users.TopicGrants() {
		d.TopicPermissions = append(d.TopicPermissions, TopicPermissionDef(g))
	}
	d.GlobalParameters = b.GlobalParameters()
	params := b.Parameters()
	for _, v := range b.hosts() {
		d.exportVHost(v, params)
	}
	return d
}

// ExportVHost is what ExportDefinitions has of one virtual host.
func (b *Broker) ExportVHost(name string) (Definitions, error) {
	d := noDefinitions()
	err := b.within(name, func(v *vhost.VHost) error {
		d.exportVHost(v, b.Parameters())
		return nil
	})
	d.setVHost("")
	return d, err
}

// setVHost puts queues, exchanges and bindings into one virtual host. As in
// RabbitMQ it is not said of these where there is only one.
func (d *Definitions) setVHost(name string) {
	for i := range d.Queues {
		d.Queues[i].VHost = name
	}
	for i := range d.Exchanges {
		d.Exchanges[i].VHost = name
	}
	for i := range d.Bindings {
		d.Bindings[i].VHost = name
	}
}

// noDefinitions has empty lists where they must not be missing.
func noDefinitions() Definitions {
	return Definitions{
		RabbitVersion: compatible, Parameters: []ParameterDef{}, Policies: []PolicyDef{},
		Queues: []QueueDef{}, Exchanges: []ExchangeDef{}, Bindings: []BindingDef{},
	}
}

// compatible is the version of RabbitMQ whose form definitions have.
const compatible = "3.10.8"

// exportVHost adds what is in a virtual host; params are the parameters of all.
func (d *Definitions) exportVHost(v *vhost.VHost, params []ParameterDef) {
	for _, p := range params {
		if p.VHost == v.Name {
			d.Parameters = append(d.Parameters, p)
		}
	}
	for _, p := range v.Policies(false) {
		d.Policies = append(d.Policies, PolicyDef{v.Name, p.Name, p.Pattern, p.ApplyTo, Args(p.Definition), p.Priority})
	}
	d.exportParameters(v)
	s := v.Stats()
	for _, x := range s.Exchanges {
		if x.Name != "" && !strings.HasPrefix(x.Name, "amq.") {
			d.Exchanges = append(d.Exchanges, ExchangeDef{x.Name, v.Name, x.Kind, x.Durable, x.AutoDelete, x.Internal, Args(x.Args)})
		}
	}
	exported := make(map[string]bool) // queues
	for _, q := range s.Queues {
		if !q.Exclusive && !strings.HasPrefix(q.Name, "amq.") {
			exported[q.Name] = true
			args := Args{}
			for k, a := range q.Args {
				args[k] = a
			}
			if args["x-queue-type"] == nil {
				args["x-queue-type"] = string(queue.Classic)
			}
			d.Queues = append(d.Queues, QueueDef{q.Name, v.Name, q.Durable, q.AutoDelete, args})
		}
	}
	for _, o := range s.Bindings {
		kind := "queue"
		if o.ToExchange {
			kind = "exchange"
		}
		if o.Source != "" && (exported[o.Destination] || o.ToExchange) {
			d.Bindings = append(d.Bindings, BindingDef{o.Source, v.Name, o.Destination, kind, o.RoutingKey, Args(o.Args)})
		}
	}
}

// exportParameters adds what RabbitMQ keeps as parameters.
func (d *Definitions) exportParameters(v *vhost.VHost) {
	for _, p := range v.Policies(true) {
		value, _ := json.Marshal(PolicyDef{Pattern: p.Pattern, ApplyTo: p.ApplyTo, Definition: Args(p.Definition), Priority: p.Priority})
		d.Parameters = append(d.Parameters, ParameterDef{operatorPolicy, v.Name, p.Name, value})
	}
	if limits := v.Limits(); len(limits) > 0 {
		value, _ := json.Marshal(limits)
		d.Parameters = append(d.Parameters, ParameterDef{vhostLimits, v.Name, "limits", value})
	}
}

// ErrDefinitions is what is wrong with definitions that were refused.
var ErrDefinitions = errors.New("definitions refused")

// ImportDefinitions adds definitions to those there are. What is there already
// stays if it is the same, and is an error if it differs; users, permissions
// and policies are replaced. It stops at the first error, as RabbitMQ does.
func (b *Broker) ImportDefinitions(d Definitions) error {
	if err := d.check(); err != nil {
		return err
	}
	for _, v := range d.VHosts {
		err := b.AddVHost(v.info())
		if errors.Is(err, ErrVHostExists) {
			err = nil
		}
		if err != nil {
			return err
		}
	}
	for _, u := range d.Users {
		if u.HashingAlgorithm != "" && u.HashingAlgorithm != hashing {
			return fmt.Errorf("%w: user '%s': hashing algorithm %s is not supported", ErrDefinitions, u.Name, u.HashingAlgorithm)
		}
		if err := b.users.Import(user.Info{Name: u.Name, Tags: u.Tags, PasswordHash: u.PasswordHash}); err != nil {
			return err
		}
		for name, n := range u.Limits {
			if err := b.users.SetLimit(u.Name, name, n); err != nil {
				return err
			}
		}
	}
	for _, p := range d.Permissions {
		if err := b.SetPermissions(p.User, p.VHost, p.Configure, p.Write, p.Read); err != nil {
			return err
		}
	}
	for _, p := range d.TopicPermissions {
		if err := b.users.SetTopicPermissions(user.TopicGrant(p)); err != nil {
			return err
		}
	}
	for _, p := range d.GlobalParameters {
		if err := b.SetGlobalParameter(p.Name, p.Value); err != nil {
			return err
		}
	}
	return b.importVHosts(d)
}

// ImportVHost adds definitions to one virtual host; those that are not of
// virtual hosts do not count.
func (b *Broker) ImportVHost(name string, d Definitions) error {
	if err := d.check(); err != nil {
		return err
	}
	d.setVHost(name)
	for i := range d.Parameters {
		d.Parameters[i].VHost = name
	}
	for i := range d.Policies {
		d.Policies[i].VHost = name
	}
	return b.within(name, func(*vhost.VHost) error { return b.importVHosts(d) })
}

// check refuses names that AMQP, or the store's keys, cannot hold.
func (d *Definitions) check() error {
	var names []string
	for _, v := range d.VHosts {
		names = append(names, v.Name)
	}
	for _, u := range d.Users {
		names = append(names, u.Name)
	}
	for _, p := range d.TopicPermissions {
		names = append(names, p.Exchange)
	}
	for _, p := range d.Parameters {
		names = append(names, p.Component, p.Name)
	}
	for _, p := range d.GlobalParameters {
		names = append(names, p.Name)
	}
	for _, p := range d.Policies {
		names = append(names, p.Name)
	}
	for _, q := range d.Queues {
		names = append(names, q.Name)
	}
	for _, x := range d.Exchanges {
		names = append(names, x.Name)
	}
	for _, o := range d.Bindings {
		names = append(names, o.Source, o.Destination, o.RoutingKey)
	}
	for _, n := range names {
		if len(n) > maxName || strings.ContainsRune(n, 0) {
			return fmt.Errorf("%w: the name %.40q is too long, or holds a null character", ErrDefinitions, n)
		}
	}
	return nil
}

// maxName is what a short string of AMQP holds.
const maxName = 255

func (v VHostDef) info() VHostInfo {
	i := VHostInfo{
		Name: v.Name, Description: cmp.Or(v.Description, v.Metadata.Description), Tags: v.Tags,
		DefaultQueueType: cmp.Or(v.DefaultQueueType, v.Metadata.DefaultQueueType),
	}
	if i.Tags == nil {
		i.Tags = v.Metadata.Tags
	}
	if i.DefaultQueueType == "undefined" {
		i.DefaultQueueType = ""
	}
	return i
}

// importVHosts adds what is in virtual hosts.
func (b *Broker) importVHosts(d Definitions) error {
	for _, p := range d.Parameters {
		if err := b.importParameter(p); err != nil {
			return err
		}
	}
	for _, p := range d.Policies {
		if err := b.within(p.VHost, func(v *vhost.VHost) error { return v.SetPolicy(p.policy(p.Name), false) }); err != nil {
			return err
		}
	}
	for _, x := range d.Exchanges {
		err := b.within(x.VHost, func(v *vhost.VHost) error {
			return asError(v.DeclareExchange(vhost.ExchangeSpec{
				Name: x.Name, Kind: x.Type, Durable: x.Durable, AutoDelete: x.AutoDelete, Internal: x.Internal, Args: x.Arguments.table(),
			}))
		})
		if err != nil {
			return err
		}
	}
	for _, q := range d.Queues {
		err := b.within(q.VHost, func(v *vhost.VHost) error {
			_, err := v.DeclareQueue(vhost.QueueSpec{
				Name: q.Name, Flags: queue.Flags{Durable: q.Durable, AutoDelete: q.AutoDelete}, Args: q.Arguments.table(),
			}, nil)
			return asError(err)
		})
		if err != nil {
			return err
		}
	}
	for _, o := range d.Bindings {
		if err := b.within(o.VHost, func(v *vhost.VHost) error { return asError(o.bind(v)) }); err != nil {
			return err
		}
	}
	return nil
}

func (p *PolicyDef) policy(name string) policy.Policy {
	return policy.Policy{Name: name, Pattern: p.Pattern, ApplyTo: p.ApplyTo, Priority: p.Priority, Definition: p.Definition.table()}
}

func (o *BindingDef) bind(v *vhost.VHost) *amqp.Error {
	if o.DestinationType == "exchange" {
		return v.BindExchange(o.Destination, o.Source, o.RoutingKey, o.Arguments.table())
	}
	q, err := v.Queue(o.Destination, nil)
	if err != nil {
		return err
	}
	return v.BindQueue(q, o.Source, o.RoutingKey, o.Arguments.table())
}

// importParameter takes the parameters that mean something here; others belong
// to plugins and are kept for them.
func (b *Broker) importParameter(p ParameterDef) error {
	switch p.Component {
	case operatorPolicy:
		var def PolicyDef
		if err := json.Unmarshal(p.Value, &def); err != nil {
			return fmt.Errorf("%w: operator policy '%s': %w", ErrDefinitions, p.Name, err)
		}
		return b.within(p.VHost, func(v *vhost.VHost) error { return v.SetPolicy(def.policy(p.Name), true) })
	case vhostLimits:
		var limits Limits
		if err := json.Unmarshal(p.Value, &limits); err != nil {
			return fmt.Errorf("%w: limits of vhost '%s': %w", ErrDefinitions, p.VHost, err)
		}
		return b.within(p.VHost, func(v *vhost.VHost) error {
			for name, n := range limits {
				if err := v.SetLimit(name, n); err != nil {
					return err
				}
			}
			return nil
		})
	}
	return b.SetParameter(p)
}

// within does something in a virtual host.
func (b *Broker) within(name string, f func(*vhost.VHost) error) error {
	v, err := b.VHost(name)
	if err != nil {
		return err
	}
	return f(v)
}

// asError keeps a nil *amqp.Error nil.
func asError(err *amqp.Error) error {
	if err == nil {
		return nil
	}
	return err
}
