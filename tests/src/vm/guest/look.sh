# Everything that an upgrade or its revert could have changed, in sections of lines.
services='tyk-gateway.service:8080/hello tyk-dashboard.service:3000/hello tyk-pump.service:8083/health'
trees='/etc /opt /usr/lib/systemd/system /usr/libexec /usr/lib/relayd /run/airgap-bundle'

echo '== answers'
for service in $services; do
    body=$(curl -sS -m 5 --retry 20 --retry-delay 1 --retry-connrefused -w ' %{http_code}' \
        "http://127.0.0.1:${service#*:}" 2>&1)
    version=$(printf %s "$body" | sed -n 's/.*"version": *"\([^"]*\)".*/\1/p')
    echo "${service%%:*} ${body##* } $version"
done

echo '== packages'
rpm -qa --qf '%{NAME}-%{EPOCHNUM}:%{VERSION}-%{RELEASE}.%{ARCH} %{BUILDTIME}\n'

echo '== rpm -V'
rpm -Va

echo '== units'
units=$(rpm -qal | sed -n 's#^\(/usr\)\?/lib/systemd/system/\([^/@]*\.\(service\|socket\|timer\|path\)\)$#\2#p')
for unit in $units redis-server.service; do
    echo "$unit" $(systemctl show --property=LoadState,ActiveState,SubState,UnitFileState "$unit")
done
systemctl --failed --no-legend --plain

echo '== content'
find $trees -xdev -type f -exec sha256sum {} + 2>/dev/null

echo '== times'
find $trees -xdev -type f -printf '%p %T@\n' 2>/dev/null

echo '== paths'
find / -xdev \( -path /root -o -path /tmp -o -path /var/log -o -path /var/cache -o -path /var/lib/redis \
    -o -path /var/lib/rpm -o -path /var/lib/systemd -o -path '/var/tmp/systemd-private-*' \
    -o -path /lost+found \) -prune -o -printf '%p %y %m %U:%G %l\n'
