package server

import "github.com/muster-im/muster/internal/store/backend"

// FailStore makes s believe that its store has failed.
func (s *Server) FailStore(f *backend.Fault) { s.storeFailed(f) }
