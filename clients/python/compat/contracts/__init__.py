"""Former name of `loa_client`."""

from loa_client_compat import install

install()
