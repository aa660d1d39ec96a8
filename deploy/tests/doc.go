// Package deploy checks what is deployed: docker-compose.yml, the Dockerfile, and
// the configurations of Prometheus and Grafana. It has nothing but tests. They need
// no container engine; what only an engine can show, they do not show.
package deploy
