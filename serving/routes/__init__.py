"""The endpoints, one module per resource. A route reads its request, asks the domain and answers; no more."""
