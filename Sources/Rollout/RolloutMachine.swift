// The rollout as a state machine: what happened goes in, what to do next comes out. No clock, no socket.

package struct RolloutMachine: Sendable {
}
