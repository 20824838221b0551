// Package presence knows who is online, on which Platform. Its Table holds the sessions of
// one node: it applies an App's multi-device policy when a device logs in, tells an Observer
// of every change in the order in which it happened, and answers what the status commands
// ask. What must outlive a restart, the devices that can be reached by push, it keeps in a
// Store.
//
// It knows nothing of connections: a Session is a value of the gateway's, and whoever ends
// one closes the connection.
package presence
