//! What a person said stands, and nobody waits for another's answer.
