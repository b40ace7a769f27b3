package compute

// activeTasks maps the task_states that show as a status of their own while a
// server is active.
var activeTasks = map[TaskState]string{
	Rebooting: "REBOOT", RebootPending: "REBOOT", RebootStarted: "REBOOT",
	RebootingHard: "HARD_REBOOT", RebootPendingHard: "HARD_REBOOT", RebootStartedHard: "HARD_REBOOT",
}

// statuses is Nova's table from vm_state to the API's status.
var statuses = map[VMState]string{
	Building: "BUILD", Active: "ACTIVE", Stopped: "SHUTOFF", Paused: "PAUSED", Errored: "ERROR", Deleted: "DELETED",
}

// Status is the API's word for the states of a server.
func Status(vm VMState, task TaskState) string {
	switch vm {
	case Active:
		if s, ok := activeTasks[task]; ok {
			return s
		}
	case Stopped:
		if s := activeTasks[task]; s == "HARD_REBOOT" {
			return s
		}
	case Errored:
		if s := activeTasks[task]; s == "HARD_REBOOT" {
			return s
		}
	}
	if s, ok := statuses[vm]; ok {
		return s
	}
	return "UNKNOWN"
}

// StatusStates gives, for a status of the API, the states that show as it:
// what a list filtered by status asks SQL for. ok is false for a word that is
// no status.
func StatusStates(status string) (vm []VMState, tasks []TaskState, ok bool) {
	switch status {
	case "REBOOT":
		return []VMState{Active}, []TaskState{Rebooting, RebootPending, RebootStarted}, true
	case "HARD_REBOOT":
		return []VMState{Active, Stopped, Errored}, []TaskState{RebootingHard, RebootPendingHard, RebootStartedHard}, true
	}
	for v, s := range statuses {
		if s == status {
			return []VMState{v}, nil, true
		}
	}
	return nil, nil, false
}

// StatusTasks are the task_states that hide a server's vm_state behind a
// status of their own.
func StatusTasks() []TaskState {
	return []TaskState{Rebooting, RebootPending, RebootStarted, RebootingHard, RebootPendingHard, RebootStartedHard}
}
