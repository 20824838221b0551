package pebblestore

import "runtime"

// gather returns first and what else waits in the queue, maxGroupCalls at the most.
//
// Before it looks it lets others run, as long as that brings more calls: those that have
// been read from the network and only wait for a processor are then in the group too.
// Larger groups share a sync, and their sorted keys are inserted in fewer steps. A call
// that is alone is not kept waiting, since there is nobody to run.
func gather[T any](queue <-chan T, first T) []T {
	group := append(make([]T, 0, maxGroupCalls), first)
	for len(group) < maxGroupCalls {
		runtime.Gosched()
		before := len(group)
		if group = drain(queue, group); len(group) == before {
			break
		}
	}
	return group
}

// drain appends what waits in the queue now.
func drain[T any](queue <-chan T, group []T) []T {
	for len(group) < maxGroupCalls {
		select {
		case next, ok := <-queue:
			if !ok {
				return group
			}
			group = append(group, next)
		default:
			return group
		}
	}
	return group
}
