"""What the job takes, in time, CPU and requests, beside what else one might use; `make bench` and its sisters."""
