// Package gateway is the door for the devices of accounts that are logged in: a centrifuge
// node behind WebSocket, HTTP streaming and server-sent events. It authenticates a
// connection by the UserSig in its connect data, makes the account of a first login, enters
// the session in the presence Table, and closes the connection when the Table ends it.
//
// A login that is refused, and a session that is ended, get a disconnect code that says
// whether the device should try again:
//
//	4500  the login is refused; the reason begins with the documented code, such as 70001
//	4501  the account was kicked; UserSigs made before are dead (70052)
//	4502  a newer login of the account put this device out
//	4503  the account was deleted
//	4504  the device logged out
//	4000  the server cannot serve the login now (70169, 70202, 70500): try again later
//	4001  the App's settings changed: log in again
//
// Codes from 4500 on are terminal: centrifuge's clients do not connect again by themselves
// (codes of centrifuge's own below 4000 are documented with it).
//
// The order that no kick is lost by: a login authenticates, then enters the Table, which asks
// under its lock whether the UserSig is still good; a kick makes valid-from durable, then
// revokes the UserSig, then has the Table end what it holds. Whichever of the two comes
// second meets the other.
//
// A session ends when its UserSig expires, with centrifuge's own code 3005: the device connects
// again by itself, and gets in if it asks its app for a new UserSig then.
//
// centrifuge's user IDs are sdkappid:userid, so that Apps never mix.
package gateway
