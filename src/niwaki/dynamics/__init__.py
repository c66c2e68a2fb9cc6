"""Fields (right-hand sides of the ODE), the batched solver, losses and training."""
