#!/bin/sh
# Runs what the lab asks for on a port of the virtual machine, which is no network. A question is a
# line: a number and a command in base64. The answer is three: the number with the exit code, then
# standard output and standard error in base64.
exec 3<>"$1"
echo ready >&3
while read -r number command <&3; do
    printf %s "$command" | base64 -d >/run/lab-command
    sh /run/lab-command </dev/null >/run/lab-stdout 2>/run/lab-stderr 3<&-
    echo "$number $?" >&3
    { base64 -w0 /run/lab-stdout; echo; base64 -w0 /run/lab-stderr; echo; } >&3
done
