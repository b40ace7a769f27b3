package broker

import (
	"cmp"
	"encoding/json"
	"fmt"
	"slices"
	"sync"

	"nubo/amqp"
	"nubo/broker/store"
	"nubo/broker/vhost"
)

// The kinds of definition parameters are kept as, with what follows in the key.
const (
	keyParameter       = "parameter"        // vhost, component, name
	keyGlobalParameter = "global_parameter" // name
)

// The global parameters that are the cluster's name, and what tells it from
// others of that name.
const (
	clusterName = "cluster_name"
	clusterID   = "internal_cluster_id"
)

// GlobalParameter is a runtime parameter of the whole cluster.
type GlobalParameter struct {
	Name  string          `json:"name"`
	Value json.RawMessage `json:"value"`
}

// parameters are runtime parameters: values of JSON that mean nothing to the
// broker itself, but for shovels that move messages here. Operator policies and
// limits of virtual hosts, which RabbitMQ keeps as parameters too, are
// elsewhere.
type parameters struct {
	mu     sync.Mutex
	list   map[parameterKey]json.RawMessage // guarded by mu
	global map[string]json.RawMessage       // guarded by mu
}

type parameterKey struct{ vhost, component, name string }

func (k parameterKey) store() string { return store.Key(keyParameter, k.vhost, k.component, k.name) }

func encodeJSON(value json.RawMessage) []byte { return amqp.Table{"value": string(value)}.Append(nil) }

// restore takes over a definition, if it is a parameter.
func (p *parameters) restore(key []string, value amqp.Table) bool {
	text, _ := value["value"].(string)
	switch {
	case key[0] == keyGlobalParameter && len(key) == 2:
		p.set(key[1], json.RawMessage(text))
	case key[0] == keyParameter && len(key) == 4:
		p.put(parameterKey{key[1], key[2], key[3]}, json.RawMessage(text))
	default:
		return false
	}
	return true
}

// set sets a global parameter. mu is held, or nobody else is there yet.
func (p *parameters) set(name string, value json.RawMessage) {
	if p.global == nil {
		p.global = make(map[string]json.RawMessage)
	}
	p.global[name] = value
}

// put sets a parameter. mu is held, or nobody else is there yet.
func (p *parameters) put(k parameterKey, value json.RawMessage) {
	if p.list == nil {
		p.list = make(map[parameterKey]json.RawMessage)
	}
	p.list[k] = value
}

// GlobalParameters lists the global parameters, by name.
func (b *Broker) GlobalParameters() []GlobalParameter {
	p := &b.params
	p.mu.Lock()
	defer p.mu.Unlock()
	list := make([]GlobalParameter, 0, len(p.global))
	for name, value := range p.global {
		list = append(list, GlobalParameter{name, value})
	}
	slices.SortFunc(list, func(a, b GlobalParameter) int { return cmp.Compare(a.Name, b.Name) })
	return list
}

// SetGlobalParameter sets a global parameter to a value of JSON.
func (b *Broker) SetGlobalParameter(name string, value json.RawMessage) error {
	p := &b.params
	p.mu.Lock()
	p.set(name, value)
	b.store.Define(store.Key(keyGlobalParameter, name), encodeJSON(value))
	p.mu.Unlock()
	return b.store.Sync()
}

// ClearGlobalParameter removes a global parameter and tells whether it was there.
func (b *Broker) ClearGlobalParameter(name string) (bool, error) {
	p := &b.params
	p.mu.Lock()
	_, found := p.global[name]
	delete(p.global, name)
	if found {
		b.store.Undefine(store.Key(keyGlobalParameter, name))
	}
	p.mu.Unlock()
	return found, b.store.Sync()
}

// ClusterName is the name operators gave the cluster; the node's if they gave
// none.
func (b *Broker) ClusterName() string {
	p := &b.params
	p.mu.Lock()
	defer p.mu.Unlock()
	var name string
	if json.Unmarshal(p.global[clusterName], &name) != nil {
		return b.NodeName()
	}
	return name
}

// SetClusterName names the cluster.
func (b *Broker) SetClusterName(name string) error {
	text, err := json.Marshal(name)
	if err != nil {
		return fmt.Errorf("name the cluster: %w", err)
	}
	return b.SetGlobalParameter(clusterName, text)
}

// ClusterID tells the cluster from others.
func (b *Broker) ClusterID() string {
	p := &b.params
	p.mu.Lock()
	defer p.mu.Unlock()
	var id string
	_ = json.Unmarshal(p.global[clusterID], &id) // not there yet: there is none
	return id
}

// identify gives the cluster an id if it has none, and clients its name.
func (b *Broker) identify() error {
	b.env.ServerProperties["cluster_name"] = b.ClusterName()
	if b.ClusterID() != "" {
		return nil
	}
	text, err := json.Marshal(vhost.RandomName("rabbitmq-cluster-id-"))
	if err != nil {
		return fmt.Errorf("identify the cluster: %w", err)
	}
	return b.SetGlobalParameter(clusterID, text)
}

// Parameters lists the parameters that plugins would take, by component,
// virtual host and name.
func (b *Broker) Parameters() []ParameterDef {
	p := &b.params
	p.mu.Lock()
	defer p.mu.Unlock()
	list := make([]ParameterDef, 0, len(p.list))
	for k, value := range p.list {
		list = append(list, ParameterDef{k.component, k.vhost, k.name, value})
	}
	slices.SortFunc(list, func(a, b ParameterDef) int {
		return cmp.Or(cmp.Compare(a.Component, b.Component), cmp.Compare(a.VHost, b.VHost), cmp.Compare(a.Name, b.Name))
	})
	return list
}

// SetParameter sets a parameter.
func (b *Broker) SetParameter(d ParameterDef) error {
	if _, err := b.VHost(d.VHost); err != nil {
		return err
	}
	p, k := &b.params, parameterKey{d.VHost, d.Component, d.Name}
	p.mu.Lock()
	p.put(k, d.Value)
	b.store.Define(k.store(), encodeJSON(d.Value))
	p.mu.Unlock()
	if err := b.store.Sync(); err != nil {
		return err
	}
	_ = b.startShovel(k, d.Value) // its status tells
	return nil
}

// ClearParameter removes a parameter and tells whether it was there.
func (b *Broker) ClearParameter(component, vhost, name string) (bool, error) {
	p, k := &b.params, parameterKey{vhost, component, name}
	p.mu.Lock()
	_, found := p.list[k]
	delete(p.list, k)
	if found {
		b.store.Undefine(k.store())
	}
	p.mu.Unlock()
	b.stopShovel(k)
	return found, b.store.Sync()
}

// forgetParameters removes the parameters of a virtual host that is gone.
func (b *Broker) forgetParameters(vhost string) {
	p := &b.params
	p.mu.Lock()
	defer p.mu.Unlock()
	for k := range p.list {
		if k.vhost == vhost {
			delete(p.list, k)
			b.store.Undefine(k.store())
			b.stopShovel(k)
		}
	}
}

// AllParameters are the parameters with those that are kept elsewhere:
// operator policies and limits of virtual hosts.
func (b *Broker) AllParameters() []ParameterDef {
	list := b.Parameters()
	for _, v := range b.hosts() {
		d := noDefinitions()
		d.exportParameters(v)
		list = append(list, d.Parameters...)
	}
	return list
}

// DropParameter removes one of AllParameters.
func (b *Broker) DropParameter(d ParameterDef) error {
	switch d.Component {
	case operatorPolicy:
		return b.within(d.VHost, func(v *vhost.VHost) error {
			_, err := v.DeletePolicy(d.Name, true)
			return err
		})
	case vhostLimits:
		return b.within(d.VHost, func(v *vhost.VHost) error {
			for name := range v.Limits() {
				if err := v.ClearLimit(name); err != nil {
					return err
				}
			}
			return nil
		})
	}
	_, err := b.ClearParameter(d.Component, d.VHost, d.Name)
	return err
}

// The components whose parameters mean something to the broker itself.
const (
	operatorPolicy = "operator_policy"
	vhostLimits    = "vhost-limits"
)
