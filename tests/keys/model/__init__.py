"""A bounded model of one ring, its workers and its verifiers, around the real planner and the real rules."""
